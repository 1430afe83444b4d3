"""The URLs of the project: the admin, and the way there."""

from django.contrib import admin
from django.contrib.staticfiles.views import serve
from django.urls import path
from django.views.generic import RedirectView

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/", admin.site.urls),
    # runserver would serve these only with DEBUG.
    path("static/<path:path>", serve, {"insecure": True}),
]
