# Signs a digest with a key that is found by its name: r and s, 32 bytes each.
$where = New-Object System.Security.Cryptography.CngProvider -ArgumentList $given.provider
$key = [System.Security.Cryptography.CngKey]::Open($given.name, $where)
$ecdsa = New-Object System.Security.Cryptography.ECDsaCng -ArgumentList $key
@{ signature = [Convert]::ToBase64String($ecdsa.SignHash([Convert]::FromBase64String($given.digest))) }
