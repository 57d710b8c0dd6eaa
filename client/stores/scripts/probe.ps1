# Tells whether this PC has what the other scripts call: .NET Framework 4.7.2.
$extensions = 'System.Security.Cryptography.X509Certificates.ECDsaCertificateExtensions' -as [type]
@{ modern = [bool]($extensions -and $extensions.GetMethod('CopyWithPrivateKey')) }
