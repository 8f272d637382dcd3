"""Chromium over its debugging pipe (Chrome DevTools Protocol), with nothing but Python's own library."""

import base64
import json
import os
import shutil
import subprocess
import tempfile
import threading
import time


class Failed(Exception):
    """What the page did is not what was expected of it."""


def program():
    """Where Chromium is, or None."""
    names = ["chromium", "chromium-browser", "google-chrome", "chrome"]
    return next((found for name in names if (found := shutil.which(name))), None)


class Browser:
    """A headless Chromium with a profile of its own, and what its pages have asked for."""

    def __init__(self, width=1280, height=900, dark=False, microphone=None):
        self.profile = tempfile.mkdtemp(prefix="effigy-chromium-")
        from_browser, to_us = os.pipe()
        to_browser, from_us = os.pipe()
        arguments = [
            program(), "--headless=new", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu",
            "--disable-background-networking", "--disable-component-update", "--disable-default-apps",
            "--disable-sync", "--no-first-run", "--mute-audio", "--autoplay-policy=no-user-gesture-required",
            "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream", "--disable-dev-shm-usage",
            "--force-prefers-reduced-motion", "--hide-scrollbars", f"--window-size={width},{height}",
            f"--user-data-dir={self.profile}", *([f"--use-file-for-fake-audio-capture={microphone}"] if microphone else []), "about:blank",
        ]

        def wire():
            # Where Chromium looks for its pipe.
            reading, writing = os.dup(to_browser), os.dup(to_us)
            os.dup2(reading, 3)
            os.dup2(writing, 4)
            os.set_inheritable(3, True)
            os.set_inheritable(4, True)

        self.process = subprocess.Popen(
            arguments, preexec_fn=wire, close_fds=False, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_browser)
        os.close(to_us)
        self.reading = os.fdopen(from_browser, "rb")
        self.writing = from_us
        self.lock = threading.Lock()
        self.answers, self.counter = {}, 0
        self.requests, self.logs, self.errors, self.dragged = [], [], [], []
        self.arrived = threading.Condition()
        threading.Thread(target=self.listen, daemon=True).start()
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = None
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ["Page", "Runtime", "Network", "Log", "DOM", "Accessibility"]:
            self.call(f"{domain}.enable")
        self.call("Network.setCacheDisabled", cacheDisabled=True)
        self.size(width, height, dark)

    def size(self, width, height, dark=False):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600)
        scheme = "dark" if dark else "light"
        self.call("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": scheme}, {"name": "prefers-reduced-motion", "value": "reduce"}])

    def listen(self):
        rest = b""
        while piece := self.reading.read1(1 << 16):
            *messages, rest = (rest + piece).split(b"\0")
            for message in messages:
                self.take(json.loads(message))

    def take(self, message):
        with self.arrived:
            if "id" in message:
                self.answers[message["id"]] = message
            elif message["method"] == "Network.requestWillBeSent":
                self.requests.append(message["params"]["request"]["url"])
            elif message["method"] == "Fetch.requestPaused":
                threading.Thread(target=self.serve, args=[message["params"]], daemon=True).start()
            elif message["method"] == "Runtime.exceptionThrown":
                details = message["params"]["exceptionDetails"]
                self.errors.append(details.get("exception", {}).get("description") or details["text"])
            elif message["method"] == "Log.entryAdded":
                self.logs.append(message["params"]["entry"])
            elif message["method"] == "Input.dragIntercepted":
                self.dragged.append(message["params"]["data"])
            self.arrived.notify_all()

    def draw_from(self, page):
        """Takes the page's own files from a folder instead of the binary: to work at them without building."""
        self.page = page
        self.call("Fetch.enable", patterns=[{"urlPattern": f"*/{path.name}"} for path in page.iterdir()])

    def serve(self, asked):
        path = self.page / asked["request"]["url"].rsplit("/", 1)[1]
        kinds = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".html": "text/html"}
        self.call("Fetch.fulfillRequest", requestId=asked["requestId"], responseCode=200,
                  responseHeaders=[{"name": "Content-Type", "value": kinds[path.suffix]}],
                  body=base64.b64encode(path.read_bytes()).decode())

    def call(self, method, patience=60, **parameters):
        with self.lock:
            self.counter += 1
            number = self.counter
            message = {"id": number, "method": method, "params": parameters}
            if getattr(self, "session", None) and not method.startswith(("Target.", "Browser.")):
                message["sessionId"] = self.session
            os.write(self.writing, json.dumps(message).encode() + b"\0")
        with self.arrived:
            if not self.arrived.wait_for(lambda: number in self.answers, patience):
                raise Failed(f"{method}: no answer")
            answer = self.answers.pop(number)
        if "error" in answer:
            raise Failed(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def go(self, url):
        self.call("Page.navigate", url=url)

    def js(self, text, patience=60):
        """The value of an expression, awaited."""
        told = self.call("Runtime.evaluate", patience, expression=f"(async () => ({text}))()", awaitPromise=True, returnByValue=True, userGesture=True)
        if "exceptionDetails" in told:
            details = told["exceptionDetails"]
            raise Failed(details.get("exception", {}).get("description", details["text"]))
        return told["result"].get("value")

    def wait(self, text, patience=60, what=None):
        """Waits until an expression is true, and returns it."""
        until = time.monotonic() + patience
        while time.monotonic() < until:
            try:
                if value := self.js(text):
                    return value
            except Failed:
                pass
            time.sleep(0.05)
        shown = self.js("document.body.innerText")
        raise Failed(f"{what or text}: not within {patience} s. The page says:\n{shown[:3000]}\nerrors: {self.errors}")

    def place(self, selector):
        """The middle of an element, scrolled into view, once it stays where it is and nothing lies over it."""
        look = f"""(() => {{ const e = document.querySelector({json.dumps(selector)}); if (!e) return null;
            e.scrollIntoView({{block: 'center'}}); const b = e.getBoundingClientRect();
            const [x, y] = [b.x + b.width / 2, b.y + b.height / 2];
            return b.width && e.contains(document.elementFromPoint(x, y)) ? [x, y] : null }})()"""
        until, before = time.monotonic() + 20, None
        while time.monotonic() < until:
            now = self.js(look)
            if now and now == before:
                return now
            before = now
            time.sleep(0.06)
        raise Failed(f"{selector}: it is not there, or does not keep still, or something lies over it")

    def click(self, selector):
        self.wait(f"!document.querySelector({json.dumps(selector)})?.disabled && !!document.querySelector({json.dumps(selector)})", 60, f"{selector} to be ready")
        x, y = self.place(selector)
        for kind in ["mousePressed", "mouseReleased"]:
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def click_text(self, text, within="main"):
        found = f"[...document.querySelectorAll({json.dumps(within + ' button, ' + within + ' a, ' + within + ' summary')})].find((e) => e.textContent.trim() === {json.dumps(text)} && e.getBoundingClientRect().width)"
        self.wait(f"!!({found}) && !({found}).disabled", 60, f"a button {text!r}")
        self.js(f"({found}).setAttribute('data-pressed-by-script', '')")
        try:
            self.click("[data-pressed-by-script]")
        finally:
            self.js("document.querySelector('[data-pressed-by-script]')?.removeAttribute('data-pressed-by-script')")

    def type(self, selector, text):
        self.js(f"(() => {{ const e = document.querySelector({json.dumps(selector)}); e.focus(); e.select?.() }})()")
        self.call("Input.insertText", text=text)
        self.js(f"document.querySelector({json.dumps(selector)}).dispatchEvent(new Event('change', {{bubbles: true}}))")

    def drop(self, selector, paths):
        """Drops files or folders of this machine onto an element, as a hand would."""
        x, y = self.place(selector)
        data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
        for kind in ["dragEnter", "dragOver", "drop"]:
            self.call("Input.dispatchDragEvent", type=kind, x=x, y=y, data=data)

    def drag(self, start, end):
        """Drags one element onto another by the mouse."""
        self.call("Input.setInterceptDrags", enabled=True)
        self.dragged.clear()
        mouse = lambda kind, x, y, **more: self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", **more)
        x, y = self.place(start)
        mouse("mousePressed", x, y, clickCount=1)
        for step in range(1, 6):
            mouse("mouseMoved", x + 6 * step, y, buttons=1)
        with self.arrived:
            if not self.arrived.wait_for(lambda: self.dragged, 10):
                raise Failed(f"{start} is not dragged")
        box = json.dumps(end)
        x, y = self.js(f"(() => {{ const b = document.querySelector({box}).getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2] }})()")
        for kind in ["dragEnter", "dragOver", "drop"]:
            self.call("Input.dispatchDragEvent", type=kind, x=x, y=y, data=self.dragged[0])
        mouse("mouseReleased", x, y, clickCount=1)
        self.call("Input.setInterceptDrags", enabled=False)

    def press(self, key, shift=False):
        codes = {"Tab": 9, "Enter": 13, " ": 32, "Escape": 27}
        for kind in ["keyDown", "keyUp"]:
            self.call("Input.dispatchKeyEvent", type=kind, modifiers=8 if shift else 0, key=key, code=key, windowsVirtualKeyCode=codes.get(key, ord(key[0])), text="\r" if key == "Enter" else (key if len(key) == 1 else ""))

    def picture(self, path, whole=True):
        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        with open(path, "wb") as out:
            out.write(base64.b64decode(shot["data"]))

    def close(self):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.profile, ignore_errors=True)

