"""Has the platform run `warifu renew` once a day, at a time of its own on each PC.

For each platform a module of pure functions says what to write and which commands to run (`plan.Plan`); `platform`
chooses one, and `carrying_out` alone writes and runs.
"""
