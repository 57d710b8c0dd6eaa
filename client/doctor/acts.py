"""What a diagnosis ends in: exactly one thing to do, with the form to file and whom to call where it needs them."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from client.language import sentence


class Form(StrEnum):
    """The forms that an administrator files."""

    DCM902 = "DCM902"
    DCM903 = "DCM903"
    DCM904 = "DCM904"
    DCM905 = "DCM905"


FORM_NAMES: Final = {
    Form.DCM902: sentence("DCM902, new certificates"),
    Form.DCM903: sentence("DCM903, revocation"),
    Form.DCM904: sentence("DCM904, revocation and new issuance"),
    Form.DCM905: sentence("DCM905, change of administrator"),
}

DONE, MENDABLE, LATER, PERSON = 0, 1, 3, 5


@dataclass(frozen=True, slots=True)
class Act:
    """One thing to do: a word for programs, a sentence for people, the exit code.

    `command` is the command that does it; `calls` that the help desk is to be called. Facts of the
    finding, `{cn}` and `{home}` may stand in both texts.
    """

    word: str
    sentence: str
    exit_code: int
    command: str = ""
    form: Form | None = None
    calls: bool = False


NOTHING: Final = Act("nothing", sentence("Nothing is to be done."), DONE)
WAIT: Final = Act(
    "wait",
    sentence(
        "Wait; nothing is to be done now. The renewal mails go out 30 days before the end, and only if the certificate "
        "has not been renewed by then."
    ),
    DONE,
)
RENEW: Final = Act("renew", sentence("Renew the certificate now."), MENDABLE, "warifu renew {cn}")
GO_ON: Final = Act(
    "goOn",
    sentence(
        "Go on with the enrolment that was begun, with the URL of the mail. If wrong passwords locked it, have the "
        "help desk unlock it first."
    ),
    MENDABLE,
    "warifu enroll URL",
)
DELETE: Final = Act(
    "delete",
    sentence("Delete the revoked certificate from this PC. If you still need one, your administrator files a DCM902."),
    MENDABLE,
    "warifu delete {cn}",
)
SCHEDULE: Final = Act(
    "schedule", sentence("Have the certificates renewed every day from now on."), MENDABLE, "warifu schedule install"
)
PROTECT: Final = Act(
    "protect",
    sentence("Take the rights of others away from the folder of the certificates."),
    MENDABLE,
    'chmod -R go= "{home}"',
)
OWN: Final = Act(
    "own",
    sentence("Give yourself the rights to the folder of the certificates, or use the login whose folder it is."),
    MENDABLE,
    'chmod -R u+rwX "{home}"',
)
MAKE_ROOM: Final = Act("makeRoom", sentence("Make room on the disk; nothing is renewed before."), MENDABLE)
MOUNT: Final = Act("mount", sentence("Have the disk made writable by whoever looks after this PC."), PERSON)
PROTECT_PIN: Final = Act(
    "protectPin",
    sentence("Take the rights of others away from the file with the PIN."),
    MENDABLE,
    'chmod go= "{pin_file}"',
)
TRY_LATER: Final = Act("tryLater", sentence("Check the network, and try again later; nothing is lost."), LATER)
ENROLL: Final = Act(
    "enroll",
    sentence("Get the certificate on the PC that will use it, with the URL and the password of the two mails."),
    PERSON,
    "warifu enroll URL",
)
USE_THERE: Final = Act(
    "useThere", sentence("Use and renew the certificate on that other PC; here nothing is to be done."), DONE
)
FIND: Final = Act(
    "find",
    sentence(
        "Have your administrator look in the list of PCs which one holds {cn}; the help desk mails the list to the "
        "administrator. `warifu status` shows it on that PC."
    ),
    PERSON,
    calls=True,
)
STOP: Final = Act(
    "stop",
    sentence(
        "Stop using the certificate and ask your administrator. If nobody of yours ordered this, call the help desk at "
        "once."
    ),
    PERSON,
    calls=True,
)
REPORT_LOSS: Final = Act(
    "reportLoss",
    sentence("Call the help desk at once: it can stop the certificate before the form comes."),
    PERSON,
    form=Form.DCM904,
    calls=True,
)
CALL: Final = Act("call", sentence("Call the help desk."), PERSON, calls=True)
RESEND: Final = Act(
    "resend",
    sentence(
        "Have your administrator call the help desk, which sends the mails again, to the registered address only."
    ),
    PERSON,
    calls=True,
)
ALLOW_MAIL: Final = Act(
    "allowMail",
    sentence("Allow the sender's domains, which the help desk's page names, and look into the junk folder again."),
    PERSON,
)
SET_CLOCK: Final = Act("setClock", sentence("Set date, time and time zone of this PC right."), PERSON)
TRUST: Final = Act(
    "trust",
    sentence(
        "Do not go on. Check the address; if the operator gave you a file of certificates, name it with --ca-file; "
        "else call the help desk."
    ),
    PERSON,
    calls=True,
)
REACH_KEY: Final = Act("reachKey", sentence("Make the private key usable again, as said above."), PERSON)
MEND_HOOK: Final = Act("mendHook", sentence("Mend the hook, as said above; it keeps the renewal away."), PERSON)
FILE_902: Final = Act("file", sentence("Have your administrator file this form."), PERSON, form=Form.DCM902)
FILE_903: Final = Act("file", FILE_902.sentence, PERSON, form=Form.DCM903)
FILE_904: Final = Act("file", FILE_902.sentence, PERSON, form=Form.DCM904)
FILE_905: Final = Act("file", FILE_902.sentence, PERSON, form=Form.DCM905)
