#!/usr/bin/env bash
# Use the installed wheel as a new project would: smoke.sh PYTHON SOURCE. PYTHON is that of a clean
# environment, SOURCE the tree the wheel was built from.
set -euo pipefail
python=$(realpath -s "$1")
source=$(realpath "$2")
project=$(mktemp -d)
trap 'rm -rf "$project"' EXIT
cd "$project"
export PYTHONWARNINGS=error::DeprecationWarning,error::PendingDeprecationWarning

echo "The wheel holds what the source holds, templates and py.typed with it."
SOURCE=$source "$python" - <<'PYTHON'
import os
from importlib.metadata import files
from pathlib import Path

source = Path(os.environ["SOURCE"])
wanted = {str(path.relative_to(source)) for path in source.glob("handleref/**/*") if path.is_file()}
held = {str(path) for path in files("handleref") if ".dist-info" not in str(path)}
held = {path for path in held if not path.endswith(".pyc")}
assert wanted == held, f"left out: {sorted(wanted - held)}; brought in: {sorted(held - wanted)}"
assert "handleref/py.typed" in held
assert any(path.endswith(".html") for path in held), "no template at all"
PYTHON

echo "A new project migrates, and its rows are deleted softly and restored."
"$python" -m django startproject project .
"$python" manage.py startapp shop
echo 'INSTALLED_APPS += ["handleref", "shop"]' >>project/settings.py
cat >shop/models.py <<'PYTHON'
from django.db import models

from handleref.models import HandleRefModel


class Product(HandleRefModel):
    name = models.CharField(max_length=50)
PYTHON
"$python" manage.py check --fail-level WARNING
"$python" manage.py makemigrations shop
"$python" manage.py migrate --verbosity 0
"$python" manage.py makemigrations --check
cat >smoke.py <<'PYTHON'
from shop.models import Product

product = Product.objects.create(name="lamp")
assert product.status == "ok", product.status
product.delete()
product.refresh_from_db()
assert product.status == "deleted", product.status
product.restore()
product.refresh_from_db()
assert product.status == "ok", product.status
print("saved, deleted softly, restored")
PYTHON
"$python" manage.py shell <smoke.py
