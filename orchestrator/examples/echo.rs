//! A bare MCP server with one tool that answers what it is told, on the daemon's own transport but with
//! no gate behind it: what is left of a call's time when nobody is asked, judges or records.
//!
//! `cargo run --release -p ostler --example echo 127.0.0.1:7071`; `docs/performance.md` says how to load it.
#![expect(clippy::print_stdout, reason = "a measurement says where it listens")]

use ostler::serve::http::open_endpoint;
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ServerCapabilities,
        ServerConfig,
    },
    service::RequestContext,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

#[derive(Clone)]
struct Echo;

impl ServerHandler for Echo {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let said = serde_json::to_string(&request.arguments).unwrap_or_default();
        Ok(CallToolResult::success(vec![ContentBlock::text(said)]).into())
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1);
    let listener = TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:0")).await?;
    println!("http://{}/mcp", listener.local_addr()?);
    axum::serve(listener, open_endpoint(Echo, CancellationToken::new())).await?;
    Ok(())
}
