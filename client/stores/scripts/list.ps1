# Lists the certificates of the user's store that bear our names, and where their keys are.
$extensions = [System.Security.Cryptography.X509Certificates.ECDsaCertificateExtensions]
$store = New-Object System.Security.Cryptography.X509Certificates.X509Store -ArgumentList 'My', 'CurrentUser'
$store.Open('ReadOnly')
$ours = @($store.Certificates | Where-Object { $_.FriendlyName -match $given.pattern } | ForEach-Object {
    $key = $null
    try { $key = $extensions::GetECDsaPrivateKey($_).Key } catch { }
    @{
        name = $_.FriendlyName
        certificate = [Convert]::ToBase64String($_.RawData)
        provider = if ($key) { $key.Provider.Provider } else { $null }
        label = if ($key) { $key.KeyName } else { $null }
    }
})
$store.Close()
@{ certificates = $ours }
