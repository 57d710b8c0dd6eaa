# Deletes the certificates of a public key from the user's store, then the key from each provider that has it.
$store = New-Object System.Security.Cryptography.X509Certificates.X509Store -ArgumentList 'My', 'CurrentUser'
$store.Open('ReadWrite')
foreach ($certificate in @($store.Certificates)) {
    if ($given.point -and [Convert]::ToBase64String($certificate.GetPublicKey()) -eq $given.point) {
        $store.Remove($certificate)
    }
}
$store.Close()
foreach ($provider in $given.providers) {
    try {
        $where = New-Object System.Security.Cryptography.CngProvider -ArgumentList $provider
        $there = [System.Security.Cryptography.CngKey]::Exists($given.name, $where)
    } catch {
        continue # a PC without a TPM
    }
    if ($there) {
        [System.Security.Cryptography.CngKey]::Open($given.name, $where).Delete()
    }
}
@{ deleted = $true }
