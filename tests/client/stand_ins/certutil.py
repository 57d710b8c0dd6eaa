"""Plays certutil.exe: -store looks for a certificate, -delstore deletes one, -delkey a key."""

from pathlib import Path

from tests.client.stand_ins.windows_pc import CRYPT_E_NOT_FOUND, WindowsError, WindowsPc


def main(state: Path, arguments: list[str]) -> int:
    """Run one command; the exit code is the HRESULT's low byte, as a system that is not Windows shows it."""
    pc = WindowsPc(state)
    try:
        match arguments:
            case ["-user", "-store", store, name]:
                print(_entry(pc, store, name).read_text())
            case ["-user", "-delstore", store, name]:
                _entry(pc, store, name).unlink()
            case ["-user", "-csp", provider, "-delkey", name]:
                pc.delete_key(provider, name)
            case _:
                raise AssertionError(arguments)
    except WindowsError as error:
        print(f"CertUtil: -x コマンド エラーです: 0x{error.code:08x} {error.message}")
        return error.code & 0xFF
    return 0


def _entry(pc: WindowsPc, store: str, name: str) -> Path:
    for path, _ in pc.entries(store):
        if path.stem.upper() == name.upper():
            return path
    raise WindowsError(CRYPT_E_NOT_FOUND, "オブジェクトまたはプロパティが見つかりません。")
