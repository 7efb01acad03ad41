//! A headless Chromium that does on a page what a person would, in real time, over the DevTools protocol.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// How long a page may take over one thing.
const LIMIT: Duration = Duration::from_secs(120);

/// File in the profile's folder of what the browser writes to its standard error.
const LOG: &str = "browser.log";

/// A browser with one tab.
pub struct Browser {
    child: Child,
    commands: ChildStdin,
    messages: Receiver<Value>,
    /// Number of the last command.
    number: u64,
    session: Option<String>,
    // Declared last: the browser has ended when its profile goes.
    profile: tempfile::TempDir,
}

impl Browser {
    /// Where a Chromium is, if there is one.
    pub fn find() -> Option<PathBuf> {
        let folders: Vec<PathBuf> = std::env::split_paths(&std::env::var_os("PATH")?).collect();
        let names = ["chromium", "chromium-browser", "google-chrome"];
        names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name))).find(|file| file.is_file())
    }

    /// Starts `program`.
    ///
    /// It reads commands from its descriptor 3 and writes to 4; a shell gives it its input and its output as these.
    pub fn start(program: &Path) -> Browser {
        let profile = tempfile::tempdir().unwrap_or_else(|e| panic!("{e}"));
        let mut command = Command::new("sh");
        command.args(["-c", r#"exec "$@" 3<&0 4>&1 < /dev/null > /dev/null"#, "sh"]).arg(program);
        command.args([
            "--remote-debugging-pipe",
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
        ]);
        command.arg(format!("--user-data-dir={}", profile.path().display())).arg("about:blank");
        let log = std::fs::File::create(profile.path().join(LOG)).unwrap_or_else(|e| panic!("{LOG}: {e}"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
        let mut child = command.spawn().unwrap_or_else(|e| panic!("{}: {e}", program.display()));
        let commands = child.stdin.take().unwrap_or_else(|| panic!("no input"));
        let output = child.stdout.take().unwrap_or_else(|| panic!("no output"));
        let (sender, messages) = channel();
        std::thread::spawn(move || {
            for message in BufReader::new(output).split(0) {
                let message = message.ok().and_then(|message| serde_json::from_slice(&message).ok());
                if message.is_none_or(|message| sender.send(message).is_err()) {
                    break;
                }
            }
        });
        let mut browser = Browser { child, commands, messages, number: 0, session: None, profile };
        let target = browser.call("Target.createTarget", json!({ "url": "about:blank" }));
        let attached = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = browser.call("Target.attachToTarget", attached);
        browser.session = attached["sessionId"].as_str().map(str::to_owned);
        browser
    }

    /// Sends a command of the protocol and waits for its result.
    pub fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.number += 1;
        let mut command = json!({ "id": self.number, "method": method, "params": parameters });
        if let Some(session) = &self.session {
            command["sessionId"] = session.as_str().into();
        }
        let sent = self.commands.write_all(format!("{command}\0").as_bytes());
        sent.unwrap_or_else(|e| panic!("{method}: the browser does not listen: {e}\n{}", self.said()));
        let deadline = Instant::now() + LIMIT;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let message = self.messages.recv_timeout(left);
            let mut message = message.unwrap_or_else(|e| panic!("{method}: no answer: {e}\n{}", self.said()));
            if message["id"] == self.number {
                assert!(message["error"].is_null(), "{method}: {message}");
                return message["result"].take();
            }
        }
    }

    /// What the browser itself complained about.
    fn said(&self) -> String {
        std::fs::read_to_string(self.profile.path().join(LOG)).unwrap_or_default()
    }

    /// Opens a page.
    pub fn open(&mut self, url: &str) {
        let opened = self.call("Page.navigate", json!({ "url": url }));
        assert!(opened["errorText"].is_null(), "{url}: {opened}");
    }

    /// Value of an expression in the page.
    pub fn evaluate(&mut self, expression: &str) -> Value {
        let mut found = self.call("Runtime.evaluate", json!({ "expression": expression, "returnByValue": true }));
        assert!(found["exceptionDetails"].is_null(), "{expression}: {found}");
        found["result"]["value"].take()
    }

    /// Waits until an expression in the page is true.
    pub fn wait_for(&mut self, expression: &str) {
        let deadline = Instant::now() + LIMIT;
        while self.evaluate(expression) != true {
            assert!(Instant::now() < deadline, "{expression} did not become true:\n{}", self.html());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The page as it stands.
    pub fn html(&mut self) -> String {
        self.evaluate("document.documentElement.outerHTML").as_str().unwrap_or_default().to_owned()
    }

    /// Drops a file in the middle of the element that `selector` finds.
    pub fn drop_file(&mut self, selector: &str, file: &Path) {
        let side = |name: &str, length: &str| format!("box.{name} + box.{length} / 2");
        let found = format!("document.querySelector({})", json!(selector));
        let middle = format!("[{}, {}]", side("left", "width"), side("top", "height"));
        let at =
            self.evaluate(&format!("(() => {{ const box = {found}.getBoundingClientRect(); return {middle}; }})()"));
        let data = json!({ "items": [], "files": [file], "dragOperationsMask": 1 });
        for kind in ["dragEnter", "dragOver", "drop"] {
            self.call("Input.dispatchDragEvent", json!({ "type": kind, "x": at[0], "y": at[1], "data": data }));
        }
    }

    /// Types a text into what has the focus and presses Enter.
    pub fn enter(&mut self, text: &str) {
        self.call("Input.insertText", json!({ "text": text }));
        let key =
            json!({ "type": "keyDown", "key": "Enter", "code": "Enter", "text": "\r", "windowsVirtualKeyCode": 13 });
        self.call("Input.dispatchKeyEvent", key);
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = (self.child.kill(), self.child.wait());
    }
}
