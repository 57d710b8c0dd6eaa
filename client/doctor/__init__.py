"""`warifu doctor`: what is wrong with the certificates of this PC, and the one thing to do about it (requirement U5).

gathering, probes   ask the PC and the servers           → facts.Facts
checks              say what each fact means             → symptoms.Finding
charts              the manual's charts, as data         → questions, and which act each path ends in
diagnosis           the most urgent finding, its chart   → diagnosis.Diagnosis, one act
screen, report      show it to a person, a program, the help desk
"""
