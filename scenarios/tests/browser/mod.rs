//! A headless Chromium, controlled over its DevTools protocol.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use tungstenite::{Message, WebSocket, client};

/// How long anything may take on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

/// A browser. It ends when this is dropped.
pub(crate) struct Browser {
    process: Child,
    tools: WebSocket<TcpStream>,
    commands: u64,
}

/// A page in it, with a user of its own.
#[derive(Clone)]
pub(crate) struct Page(String);

impl Browser {
    /// Starts one that keeps its files in this folder, or says why that is impossible.
    pub(crate) fn start(profile: &Path) -> Result<Self, String> {
        let profile = format!("--user-data-dir={}", profile.display());
        let mut process = Command::new("chromium")
            .args([
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
            ])
            .args([
                "--no-first-run",
                "--remote-debugging-port=0",
                &profile,
                "about:blank",
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("chromium cannot be started: {error}"))?;
        let mut told = BufReader::new(process.stderr.take().expect("it is piped")).lines();
        let address = told
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| Some(line.strip_prefix("DevTools listening on ")?.to_owned()));
        // Its later output must not fill the pipe.
        thread::spawn(move || told.for_each(drop));
        let Some(address) = address else {
            let _ = process.kill();
            return Err("chromium does not say where it listens".to_owned());
        };
        let host = address["ws://".len()..]
            .split('/')
            .next()
            .expect("there is one")
            .to_owned();
        let stream = TcpStream::connect(host).map_err(|error| error.to_string())?;
        stream.set_read_timeout(Some(LIMIT)).expect("a time limit");
        let (tools, _) = client(address, stream).map_err(|error| error.to_string())?;
        Ok(Self {
            process,
            tools,
            commands: 0,
        })
    }

    /// Opens a page that shares its storage with no other.
    pub(crate) fn open(&mut self, url: &str) -> Page {
        let context = self.command("Target.createBrowserContext", json!({}), None);
        let target = json!({"url": url, "browserContextId": context["browserContextId"]});
        let target = self.command("Target.createTarget", target, None);
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let session = self.command("Target.attachToTarget", attach, None);
        Page(session["sessionId"].as_str().expect("a session").to_owned())
    }

    /// Evaluates an expression in a page.
    pub(crate) fn evaluate(&mut self, page: &Page, expression: &str) -> Value {
        self.try_to_evaluate(page, expression)
            .unwrap_or_else(|why| panic!("{expression}: {why}"))
    }

    fn try_to_evaluate(&mut self, page: &Page, expression: &str) -> Result<Value, Value> {
        let what = json!({"expression": expression, "returnByValue": true});
        let mut told = self.try_to("Runtime.evaluate", what, Some(page))?;
        match told["exceptionDetails"].take() {
            Value::Null => Ok(told["result"]["value"].take()),
            thrown => Err(thrown),
        }
    }

    /// Waits until an expression has this value.
    pub(crate) fn wait_for(&mut self, page: &Page, expression: &str, wanted: &Value) {
        let due = Instant::now() + LIMIT;
        loop {
            // A page that is loading has nothing to evaluate in.
            let value = self.try_to_evaluate(page, expression);
            if value.as_ref() == Ok(wanted) {
                return;
            }
            assert!(
                Instant::now() < due,
                "{expression} is {value:?}, and never {wanted}"
            );
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Sends a command of the DevTools protocol, about a page or the browser itself.
    pub(crate) fn command(
        &mut self,
        method: &str,
        parameters: Value,
        page: Option<&Page>,
    ) -> Value {
        let done = self.try_to(method, parameters, page);
        done.unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    fn try_to(
        &mut self,
        method: &str,
        parameters: Value,
        page: Option<&Page>,
    ) -> Result<Value, Value> {
        self.commands += 1;
        let mut command = json!({"id": self.commands, "method": method, "params": parameters});
        if let Some(Page(session)) = page {
            command["sessionId"] = json!(session);
        }
        self.tools
            .send(Message::text(command.to_string()))
            .expect("chromium listens");
        loop {
            let told = self.tools.read().expect("chromium answers");
            let Ok(text) = told.to_text() else { continue };
            let mut told: Value = serde_json::from_str(text).unwrap_or_default();
            if told["id"] == self.commands {
                return match told["error"].take() {
                    Value::Null => Ok(told["result"].take()),
                    error => Err(error),
                };
            }
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
