from django.apps import AppConfig


class EventsTests(AppConfig):
    name = "tests.events"
    label = "events_tests"
