"""The router: runs the screen that was asked for. Their order and titles stand in pages/ui/menu.py."""

from pages.ui import menu

menu.choose().run()
