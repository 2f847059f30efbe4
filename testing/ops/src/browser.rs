//! Headless Chromium, driven through its DevTools protocol over two pipes.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{ChildStdin, Command};
use std::sync::mpsc::{sync_channel, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{json, Value};

use ron_lab::process::Process;

use crate::{wait_for, PATIENCE};

/// The number of buffered messages.
const BACKLOG: usize = 4096;
const FLAGS: &[&str] = &[
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-proxy-server",
    "--remote-debugging-pipe",
];

/// A browser with one page.
pub(crate) struct Browser {
    _process: Process,
    _profile: tempfile::TempDir,
    to: ChildStdin,
    from: Receiver<Value>,
    session: String,
    next: u64,
    /// The URLs that the page requested.
    pub(crate) requests: Vec<String>,
    /// Exceptions, violations of the content policy, and failed requests.
    pub(crate) complaints: Vec<String>,
}

/// A view of the page: window size and colour scheme.
#[derive(Clone, Copy)]
pub(crate) struct View {
    pub(crate) name: &'static str,
    pub(crate) width: u32,
    pub(crate) scheme: &'static str,
}

impl Browser {
    pub(crate) fn start() -> Result<Self, String> {
        let profile = tempfile::tempdir().map_err(|e| format!("no temporary directory: {e}"))?;
        // The protocol uses descriptors 3 and 4.
        let shell = "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null";
        let mut command = Command::new("sh");
        command.args(["-c", shell, "chromium"]).args(FLAGS);
        command.arg(format!("--user-data-dir={}", profile.path().display()));
        command.env("HOME", profile.path()).arg("about:blank");
        let (process, to, out) = Process::start_with_pipes(&mut command)?;
        let (into, from) = sync_channel(BACKLOG);
        thread::spawn(move || {
            for message in BufReader::new(out).split(0).map_while(Result::ok) {
                let message = serde_json::from_slice(&message).unwrap_or(Value::Null);
                if into.send(message).is_err() {
                    return;
                }
            }
        });
        let mut browser = Self {
            _process: process,
            _profile: profile,
            to,
            from,
            session: String::new(),
            next: 0,
            requests: Vec::new(),
            complaints: Vec::new(),
        };
        let target = browser.call("Target.createTarget", &json!({"url": "about:blank"}))?;
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let session = browser.call("Target.attachToTarget", &attach)?;
        browser.session = session["sessionId"].as_str().unwrap_or_default().to_owned();
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.call(&format!("{domain}.enable"), &json!({}))?;
        }
        Ok(browser)
    }

    pub(crate) fn open(&mut self, url: &str) -> Result<(), String> {
        self.call("Page.navigate", &json!({ "url": url }))?;
        Ok(())
    }

    /// Evaluates an expression in the page.
    pub(crate) fn eval(&mut self, expression: &str) -> Result<Value, String> {
        let ask = json!({"expression": expression, "returnByValue": true});
        let answer = self.call("Runtime.evaluate", &ask)?;
        if answer["exceptionDetails"].is_object() {
            return Err(format!("{expression}: {answer}"));
        }
        Ok(answer["result"]["value"].clone())
    }

    /// Returns the text of the element with this id.
    pub(crate) fn text(&mut self, id: &str) -> Result<String, String> {
        let text = self.eval(&format!(
            "document.getElementById('{id}')?.textContent ?? ''"
        ))?;
        Ok(text.as_str().unwrap_or_default().to_owned())
    }

    /// Waits until an expression is true.
    pub(crate) fn until(&mut self, expression: &str) -> Result<(), String> {
        let waited = wait_for(expression, || {
            let is = self.eval(expression)?;
            Ok((is == Value::Bool(true)).then_some(()))
        });
        waited.map_err(|why| {
            let text = self.eval("document.body.innerText").unwrap_or_default();
            format!("{why}; the page is {text}")
        })
    }

    /// Switches the page to this view.
    pub(crate) fn view(&mut self, view: View) -> Result<(), String> {
        let phone = view.width < 600;
        let size = json!({"width": view.width, "height": 900, "mobile": phone,
            "deviceScaleFactor": if phone { 2 } else { 1 }});
        self.call("Emulation.setDeviceMetricsOverride", &size)?;
        let scheme = json!([{"name": "prefers-color-scheme", "value": view.scheme}]);
        self.call("Emulation.setEmulatedMedia", &json!({ "features": scheme }))?;
        Ok(())
    }

    /// Writes a picture of the whole page.
    pub(crate) fn picture(&mut self, to: &Path) -> Result<(), String> {
        let size = self.call("Page.getLayoutMetrics", &json!({}))?["cssContentSize"].clone();
        let clip = json!({"x": 0, "y": 0, "scale": 1,
            "width": size["width"], "height": size["height"]});
        let ask = json!({"format": "png", "captureBeyondViewport": true, "clip": clip});
        let picture = self.call("Page.captureScreenshot", &ask)?;
        let bytes = from_base64(picture["data"].as_str().unwrap_or_default());
        std::fs::write(to, bytes).map_err(|e| format!("{}: {e}", to.display()))
    }

    fn call(&mut self, method: &str, params: &Value) -> Result<Value, String> {
        self.next += 1;
        let mut message = json!({"id": self.next, "method": method, "params": params});
        if !self.session.is_empty() {
            message["sessionId"] = self.session.clone().into();
        }
        let bytes = message.to_string() + "\0";
        let sent = self.to.write_all(bytes.as_bytes());
        sent.map_err(|e| format!("cannot write to chromium: {e}"))?;
        let deadline = Instant::now() + PATIENCE;
        while let Ok(message) = self.from.recv_timeout(left(deadline)) {
            if message["id"] == self.next {
                if message["error"].is_object() {
                    return Err(format!("{method}: {}", message["error"]));
                }
                return Ok(message["result"].clone());
            }
            self.note(&message);
        }
        Err(format!("{method}: no answer: {}", self._process.err.text()))
    }

    fn note(&mut self, event: &Value) {
        let params = &event["params"];
        match event["method"].as_str() {
            Some("Network.requestWillBeSent") => {
                let url = params["request"]["url"].as_str().unwrap_or_default();
                self.requests.push(url.to_owned());
            }
            Some("Log.entryAdded") if params["entry"]["level"] != "verbose" => {
                self.complaints.push(params["entry"].to_string());
            }
            Some("Runtime.exceptionThrown" | "Runtime.consoleAPICalled") => {
                self.complaints.push(params.to_string());
            }
            _ => {}
        }
    }
}

fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}

fn from_base64(text: &str) -> Vec<u8> {
    const DIGITS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count) = (0_usize, 0);
    for digit in text.chars().filter_map(|c| DIGITS.find(c)) {
        bits = bits << 6 | digit;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.extend(u8::try_from(bits >> count & 255));
        }
        bits &= 0xffff;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_read() {
        assert_eq!(from_base64("aGVsbG8="), b"hello");
        assert_eq!(from_base64("/+7dzA=="), [0xff, 0xee, 0xdd, 0xcc]);
        assert_eq!(from_base64(""), b"");
    }
}
