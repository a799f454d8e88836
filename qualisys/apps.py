from django.apps import AppConfig


class QualisysConfig(AppConfig):
    name = "qualisys"
