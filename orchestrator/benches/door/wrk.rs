//! `wrk` with tool calls, each connection kept alive: at a steady rate, or as much as goes.

use std::{fmt::Write as _, path::Path, process::Command};

use serde_json::json;

/// What a run came to.
pub struct Run {
    /// Answered calls a second.
    pub rate: f64,
    /// Latency at the client in milliseconds: half, and 99 of 100, were quicker.
    pub p50: f64,
    pub p99: f64,
    /// Answers that were no success, and broken connections.
    pub bad: u64,
}

/// A load: who calls what.
pub struct Load<'a> {
    pub address: &'a str,
    pub tokens: &'a [String],
    pub tool: &'a str,
    /// Lua: the arguments of the call with number `n`, as a JSON text.
    pub arguments: &'a str,
    pub connections: usize,
    /// Calls a second; as many as go where none.
    pub rate: Option<usize>,
    pub seconds: usize,
}

impl Load<'_> {
    /// Runs it.
    pub fn run(&self, dir: &Path) -> Run {
        let script = dir.join("load.lua");
        std::fs::write(&script, self.script()).unwrap();
        let output = Command::new("wrk")
            .args(["-t", "1", "-c", &self.connections.to_string()])
            .args(["-d", &format!("{}s", self.seconds)])
            .arg("-s")
            .arg(&script)
            .arg(format!("http://{}/mcp", self.address))
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        let figures = text.lines().find_map(|line| line.strip_prefix("figures "));
        let figures = figures.unwrap_or_else(|| panic!("wrk said no figures: {text}"));
        let figures: Vec<f64> = (figures.split(' ').map(|one| one.parse().unwrap())).collect();
        Run {
            rate: figures[0],
            p50: figures[1],
            p99: figures[2],
            bad: figures[3] as u64,
        }
    }

    fn script(&self) -> String {
        let mut tokens = String::new();
        for token in self.tokens {
            write!(tokens, "\"{token}\",").unwrap();
        }
        // The body is made once; only the arguments differ from call to call.
        let meta = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": { "name": "wrk", "version": "1" },
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        let delay = self.rate.map_or_else(String::new, |rate| {
            // Each connection pauses after an answer; the answer's own time is taken off.
            let pause = (self.connections * 1_000 / rate).saturating_sub(2);
            format!("function delay() return {pause} end\n")
        });
        format!(
            r#"local tokens = {{{tokens}}}
local n = 0
local bad = 0
{delay}
function request()
  n = n + 1
  local body = '{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{tool}","_meta":{meta},"arguments":' .. {arguments} .. '}}}}'
  local headers = {{
    ["authorization"] = "Bearer " .. tokens[n % #tokens + 1],
    ["accept"] = "application/json, text/event-stream",
    ["content-type"] = "application/json",
    ["mcp-protocol-version"] = "2026-07-28",
    ["mcp-method"] = "tools/call",
    ["mcp-name"] = "{tool}",
  }}
  return wrk.format("POST", "/mcp", headers, body)
end
function response(status, headers, body)
  if status ~= 200 or string.find(body, '"isError":true', 1, true) then bad = bad + 1 end
  if bad == 1 then io.stderr:write(body, "\n") end
end
local threads = {{}}
function setup(thread) table.insert(threads, thread) end
function done(summary, latency, requests)
  local all = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout
  for _, thread in ipairs(threads) do all = all + thread:get("bad") end
  io.write(string.format("figures %f %f %f %d\n", summary.requests / summary.duration * 1e6,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, all))
end
"#,
            tool = self.tool,
            arguments = self.arguments,
        )
        // Variables of a script are shared with `done` only where they are global.
        .replace("local bad = 0", "bad = 0")
    }
}
