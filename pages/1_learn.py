"""A server's very first request runs this if it is for this screen: Streamlit looks for a file of its name.

From then on the router, app.py, is known and this file is not looked at again.
"""

from pages import menu

menu.choose().run()
