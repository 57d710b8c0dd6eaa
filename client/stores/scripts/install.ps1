# Puts a certificate, tied to its key, into the user's store, and its issuers where TLS looks for them.
$where = New-Object System.Security.Cryptography.CngProvider -ArgumentList $given.provider
$key = [System.Security.Cryptography.CngKey]::Open($given.name, $where)
$ecdsa = New-Object System.Security.Cryptography.ECDsaCng -ArgumentList $key
$kind = 'System.Security.Cryptography.X509Certificates.X509Certificate2'
$leaf = New-Object $kind -ArgumentList (, [Convert]::FromBase64String($given.certificate))
$extensions = [System.Security.Cryptography.X509Certificates.ECDsaCertificateExtensions]
$whole = $extensions::CopyWithPrivateKey($leaf, $ecdsa)
$whole.FriendlyName = $given.friendlyName
$store = New-Object System.Security.Cryptography.X509Certificates.X509Store -ArgumentList 'My', 'CurrentUser'
$store.Open('ReadWrite')
$store.Add($whole)
$there = $store.Certificates.Find('FindByThumbprint', $whole.Thumbprint, $false)
if ($there.Count -ne 1 -or -not $there[0].HasPrivateKey) {
    throw 'The certificate is not in the store with its key.'
}
$store.Close()
$issuers = New-Object System.Security.Cryptography.X509Certificates.X509Store -ArgumentList 'CA', 'CurrentUser'
$issuers.Open('ReadWrite')
foreach ($issuer in $given.issuers) {
    $issuers.Add((New-Object $kind -ArgumentList (, [Convert]::FromBase64String($issuer))))
}
$issuers.Close()
@{ thumbprint = $whole.Thumbprint }
