"""REST: history, comparison and going back for view sets of Django REST framework."""
