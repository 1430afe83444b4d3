"""Which way imports point: the contracts of setup.cfg."""

from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports


def test_the_contracts_are_kept(pytestconfig, capsys):
    settings = pytestconfig.rootpath / "setup.cfg"

    status = lint_imports(config_filename=str(settings), no_cache=True)

    assert status == EXIT_STATUS_SUCCESS, capsys.readouterr().out
