"""Windows: a task in the XML of the Task Scheduler 1.2, handed to schtasks (MS-TSCH §2.5).

Once a day at a random time, or when the PC comes back (`StartWhenAvailable`); only with a network; with the rights that
the user has at the desk and no more (`InteractiveToken`, `LeastPrivilege`), so no password is stored and the keys of
the user are there. For the whole machine it is the account SYSTEM (S-1-5-18), which has keys of its own.
"""

import subprocess
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

from client.schedule.plan import Job, Plan

NAME: Final = "Warifu\\Renew"


def plan(job: Job, folder: Path, user: str) -> Plan:
    """Return the plan; `folder` takes the XML that schtasks reads, `user` is DOMAIN\\name."""
    file = folder / "renew-task.xml"
    return Plan(
        files={file: task(job, user).encode("utf-16")},
        install=[("schtasks", "/Create", "/TN", NAME, "/XML", str(file), "/F")],
        remove=[("schtasks", "/Delete", "/TN", NAME, "/F")],
        show=("schtasks", "/Query", "/TN", NAME, "/V", "/FO", "LIST"),
        read=lambda _: (),  # the file lies in the home itself, so that another home's is not found
    )


def task(job: Job, user: str) -> str:
    """Return the XML, with the line ends of Windows."""
    program, *arguments = job.command
    principal = (
        "<UserId>S-1-5-18</UserId>"
        if job.system
        else f"<UserId>{escape(user)}</UserId>\n      <LogonType>InteractiveToken</LogonType>"
    )
    text = f"""\
<?xml version="1.0" encoding="UTF-16"?>
<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <RegistrationInfo>
    <Description>Renew client certificates (warifu)</Description>
  </RegistrationInfo>
  <Triggers>
    <CalendarTrigger>
      <StartBoundary>2026-01-01T09:00:00</StartBoundary>
      <RandomDelay>PT6H</RandomDelay>
      <ScheduleByDay>
        <DaysInterval>1</DaysInterval>
      </ScheduleByDay>
    </CalendarTrigger>
  </Triggers>
  <Principals>
    <Principal id="Author">
      {principal}
      <RunLevel>LeastPrivilege</RunLevel>
    </Principal>
  </Principals>
  <Settings>
    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>
    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>
    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>
    <StartWhenAvailable>true</StartWhenAvailable>
    <RunOnlyIfNetworkAvailable>true</RunOnlyIfNetworkAvailable>
    <ExecutionTimeLimit>PT1H</ExecutionTimeLimit>
  </Settings>
  <Actions Context="Author">
    <Exec>
      <Command>{escape(program)}</Command>
      <Arguments>{escape(subprocess.list2cmdline(arguments))}</Arguments>
    </Exec>
  </Actions>
</Task>
"""
    return text.replace("\n", "\r\n")
