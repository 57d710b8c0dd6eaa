# Makes a key under a name in the first provider that can, and proves that it does not come out again.
$failures = @()
foreach ($provider in $given.providers) {
    try {
        $where = New-Object System.Security.Cryptography.CngProvider -ArgumentList $provider
        if ([System.Security.Cryptography.CngKey]::Exists($given.name, $where)) {
            [System.Security.Cryptography.CngKey]::Open($given.name, $where).Delete()
        }
        $parameters = New-Object System.Security.Cryptography.CngKeyCreationParameters
        $parameters.Provider = $where
        $parameters.ExportPolicy = [System.Security.Cryptography.CngExportPolicies]::None
        $kind = [System.Security.Cryptography.CngAlgorithm]::ECDsaP256
        $key = [System.Security.Cryptography.CngKey]::Create($kind, $given.name, $parameters)
    } catch {
        $failures += $provider + ': ' + $_.Exception.GetBaseException().Message
        continue
    }
    $secret = $null
    try { $secret = $key.Export([System.Security.Cryptography.CngKeyBlobFormat]::EccPrivateBlob) } catch { }
    if ($secret) {
        $key.Delete()
        throw ($provider + ' made a key that can be exported.')
    }
    $public = $key.Export([System.Security.Cryptography.CngKeyBlobFormat]::EccPublicBlob)
    return @{ provider = $provider; public = [Convert]::ToBase64String($public) }
}
throw ($failures -join ' ')
