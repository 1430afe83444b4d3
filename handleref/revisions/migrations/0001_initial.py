import django.db.models.deletion
import django.db.models.manager
from django.db import migrations, models

import handleref.revisions.fields


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("reversion", "0001_squashed_0004_auto_20160611_1202"),
    ]

    operations = [
        migrations.CreateModel(
            name="Record",
            fields=[
                (
                    "version",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="record",
                        serialize=False,
                        to="reversion.version",
                        verbose_name="version",
                    ),
                ),
                ("complete", models.BooleanField(default=True, verbose_name="complete")),
                ("deleted", models.BooleanField(default=False, verbose_name="deleted")),
                (
                    "changed_fields",
                    handleref.revisions.fields.FieldNamesField(
                        editable=False, null=True, verbose_name="changed fields"
                    ),
                ),
                (
                    "reverted_from",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="reversion.version",
                        verbose_name="reverted from",
                    ),
                ),
            ],
            options={
                "verbose_name": "record of a version",
                "verbose_name_plural": "records of versions",
                "default_permissions": (),
            },
        ),
        # It has no table.
        migrations.CreateModel(
            name="Anchor",
            fields=[
                ("id", models.CharField(max_length=32, primary_key=True, serialize=False)),
            ],
            options={
                "managed": False,
                "default_permissions": (),
                "base_manager_name": "anchors",
                "default_manager_name": "objects",
            },
            managers=[
                ("objects", django.db.models.manager.Manager()),
                ("anchors", django.db.models.manager.Manager()),
            ],
        ),
    ]
