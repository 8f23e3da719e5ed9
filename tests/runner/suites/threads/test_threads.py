import threading

threading.Thread(target=threading.Event().wait, name="started-at-import", daemon=True).start()


def test_a():
    pass
