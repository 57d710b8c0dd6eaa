# Completes a request of certreq with the answer to it: [MS-WCCE] knows it as a response, CertEnroll installs it.
$enrollment = New-Object -ComObject X509Enrollment.CX509Enrollment
$enrollment.Initialize(1) # ContextUser
$enrollment.CertificateFriendlyName = $given.friendlyName
$enrollment.InstallResponse(4, $given.response, 1, '') # AllowUntrustedRoot; base64
@{ installed = $true }
