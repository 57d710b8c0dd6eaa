"""How mails leave an installation, and in whose name: from the configuration to the mailer and the messages."""

from ca_server import keyring
from ca_server.config import Config
from ca_server.notices.mailer import MaildirMailer, Mailer, SmtpMailer
from ca_server.notices.messages import Messages, Sender


def mailer_of(config: Config) -> Mailer:
    """Return the mailer that the configuration names."""
    mail = config.mail
    if mail.transport == "maildir":
        return MaildirMailer(mail.maildir)
    return SmtpMailer(
        mail.smtp_host,
        mail.smtp_port,
        mail.smtp_starttls,
        mail.smtp_user,
        keyring.passphrase(mail.smtp_password_file),
        mail.smtp_ca_file,
    )


def messages_of(config: Config) -> Messages:
    """Return the mails in the words of this installation."""
    sender = Sender(config.authority.organization, config.mail.sender, config.server.public_url, config.profile.cps_url)
    return Messages(sender, config.operator)
