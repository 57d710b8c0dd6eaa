"""The notices: what mails say, in Japanese and English, and how they leave."""
