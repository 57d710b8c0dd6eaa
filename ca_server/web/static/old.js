/* Runs only where modules are unknown: browsers of before 2018. Written in the language that they know. */
document.getElementById("plain").hidden = true;
document.getElementById("old").hidden = false;
