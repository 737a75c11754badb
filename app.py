"""The router: runs the screen that was asked for. Their order and titles stand in pages/menu.py."""

from pages import menu

menu.choose().run()
