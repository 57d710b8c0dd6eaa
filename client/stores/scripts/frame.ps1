$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue'
if ($ExecutionContext.SessionState.LanguageMode -ne 'FullLanguage') {
    Write-Output 'warifu:{"error":"constrained"}'
    exit
}
try {
    $given = ConvertFrom-Json '@GIVEN@'
    $answer = & {
@BODY@
    }
    $json = ConvertTo-Json -InputObject $answer -Depth 4 -Compress
} catch {
    $failure = $_.Exception.GetBaseException()
    $code = '0x{0:X8}' -f $failure.HResult
    $json = ConvertTo-Json -InputObject @{ error = 'failed'; message = $failure.Message; code = $code } -Compress
}
$ascii = [regex]::Replace($json, '[^ -~]', { '\u{0:x4}' -f [int][char]$args[0].Value })
[Console]::Out.WriteLine('warifu:' + $ascii) # Write-Output may wrap a long line
