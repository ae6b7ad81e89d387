//! Lists the models, asks one, streams an answer, and shows a typed error.
//!
//! ```text
//! llm-gateway serve &
//! cargo run --example chat -- [MODEL]
//! ```

use std::env;
use std::error::Error;
use std::io::{stdout, Write};

use llmgateway::v1::{ListModelsRequest, Message, SendRequest};
use llmgateway::{Client, DEFAULT_ADDRESS};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = env::var("LLM_GATEWAY_ADDRESS").unwrap_or_else(|_| DEFAULT_ADDRESS.to_owned());
    let gateway = Client::builder(address).api_key(env::var("LLM_GATEWAY_API_KEY").unwrap_or_default()).build()?;

    let models = gateway.list_models(ListModelsRequest::default()).await?.models;
    let first = models.first().ok_or("the gateway has no models")?;
    let first = format!("{}/{}", first.provider, first.model_id);
    println!("{} models, such as {first}", models.len());
    let model = env::args().nth(1).unwrap_or(first);

    let reply = gateway.chat(&model, [Message::system("Be brief."), Message::user("Say hello.")]).await?;
    println!("{}: {reply}", reply.response.route.clone().unwrap_or_default().provider);

    let messages = vec![Message::user("Say hello."), reply.message(), Message::user("And goodbye?")];
    let mut stream = gateway.stream(SendRequest { model, messages, ..SendRequest::default() }).await?;
    while let Some(text) = stream.next_text().await? {
        print!("{text}");
        stdout().flush()?;
    }
    println!("\n{} tokens", stream.reply().response.usage.unwrap_or_default().output_tokens);

    if let Err(error) = gateway.chat("no-such-model", ["Say hello."]).await {
        println!("{}, retryable: {}", error.reason(), error.retryable());
    }
    Ok(())
}
