//! `ostler image`: import, list, gc, verify.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use ostler_tools::answer::{DamagedLayer, Damages, Freed, Images};
use serde_json::json;

use super::{client::Client, error::CliError, get, out::Out, print::show, words::size};

/// What to do with images.
#[derive(Debug, Subcommand)]
pub enum ImageCommand {
    /// Bring one from an OCI layout directory or archive of the daemon's machine
    Import {
        /// Where it is
        path: PathBuf,
        /// The name to give it
        #[arg(long)]
        name: Option<String>,
    },
    /// List them
    List,
    /// Remove what no service and no instance uses
    Gc,
    /// Read them all and name what is damaged; exits with 1 if anything is
    Verify,
}

/// Runs it.
pub async fn run(command: ImageCommand, client: &Client, out: &mut Out) -> Result<(), CliError> {
    match command {
        ImageCommand::Import { path, name } => {
            let path = absolute(&path)?;
            let done = client
                .call::<Images>("import_image", json!({ "path": path, "name": name }))
                .await?;
            let text = out.render(&done.raw, |out| get::image_table(out, &done.value.images))?;
            out.line(&text)
        }
        ImageCommand::List => show(out, async |out| get::images(client, out, None).await).await,
        ImageCommand::Gc => {
            let done = client.call::<Freed>("collect_images", json!({})).await?;
            let freed = done.value;
            let text = out.render(&done.raw, |_| {
                format!(
                    "{} images and {} layers removed, {} freed",
                    freed.images,
                    freed.layers,
                    size(freed.bytes)
                )
            })?;
            out.line(&text)
        }
        ImageCommand::Verify => verify(client, out).await,
    }
}

async fn verify(client: &Client, out: &mut Out) -> Result<(), CliError> {
    let done = client.call::<Damages>("verify_images", json!({})).await?;
    let damaged = done.value.damaged;
    let line =
        |layer: &DamagedLayer| format!("{}  used by {}", layer.layer, layer.images.join(", "));
    let text = out.render(&done.raw, |_| match damaged.as_slice() {
        [] => "every image is as it was unpacked".to_owned(),
        some => some.iter().map(line).collect::<Vec<_>>().join("\n"),
    })?;
    out.line(&text)?;
    match damaged.len() {
        0 => Ok(()),
        count => Err(CliError::Failed(format!("{count} layers are damaged"))),
    }
}

fn absolute(path: &Path) -> Result<PathBuf, CliError> {
    std::path::absolute(path).map_err(CliError::io(format!("find `{}`", path.display())))
}
