use std::collections::HashMap;
use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use std::{error, fmt};

use tokio::time::{timeout_at, Instant};
use tonic::metadata::{Ascii, KeyAndValueRef, MetadataKey, MetadataMap, MetadataValue};
use tonic::service::interceptor::InterceptedService;
use tonic::service::Interceptor;
#[cfg(feature = "tls")]
use tonic::transport::ClientTlsConfig;
use tonic::transport::{Channel, Endpoint};
use tonic::{Extensions, Request, Response, Status};

use crate::error::{deadline_exceeded, Error};
use crate::reply::{Models, Reply};
use crate::retry::retried;
use crate::stream::ChatStream;
use crate::v1::llm_gateway_client::LlmGatewayClient;
use crate::v1::{
    HealthRequest, HealthResponse, ListModelsRequest, Message, SendRequest, SendResponse, StreamSendRequest,
};

/// Where a gateway listens by default.
pub const DEFAULT_ADDRESS: &str = "127.0.0.1:50051";
/// The deadline of a call, unless the client has another. Long answers take minutes.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(600);
/// The size of the largest message that is received; images come inline.
pub const MAX_MESSAGE_BYTES: usize = 64 << 20;

const MAX_ATTEMPTS: u32 = 3;
// A model may think for minutes without a byte; pings find a dead path meanwhile.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(60);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);

type Propagate = dyn Fn() -> HashMap<String, String> + Send + Sync;

/// A connection to a gateway.
///
/// It is a handle: clones, and those with other settings that [`with_timeout`](Self::with_timeout) and
/// [`with_metadata`](Self::with_metadata) return, share the connection. To cancel a call, drop its future or its stream.
#[derive(Clone)]
pub struct Client {
    channel: Channel,
    stub: LlmGatewayClient<Channel>,
    metadata: MetadataMap,
    timeout: Option<Duration>,
    max_attempts: u32,
    propagate: Option<Arc<Propagate>>,
}

impl Client {
    /// Settings of a client of the gateway at `address`: `host:port`, or `unix:` and the path of a socket.
    pub fn builder(address: impl Into<String>) -> Builder {
        Builder {
            address: address.into(),
            api_key: None,
            insecure: false,
            timeout: Some(DEFAULT_TIMEOUT),
            max_attempts: MAX_ATTEMPTS,
            max_message_bytes: MAX_MESSAGE_BYTES,
            propagate: None,
            #[cfg(feature = "tls")]
            tls: None,
            endpoint: Box::new(|endpoint| endpoint),
        }
    }

    /// The same client with another deadline for its calls, which covers all tries and the whole of a stream.
    #[must_use]
    pub fn with_timeout(&self, timeout: Duration) -> Self {
        Self { timeout: Some(timeout), ..self.clone() }
    }

    /// The same client, sending this along with its calls. Fails for what HTTP headers cannot carry.
    pub fn with_metadata(&self, key: &str, value: &str) -> Result<Self, ConfigurationError> {
        let mut client = self.clone();
        append(&mut client.metadata, key, value)?;
        Ok(client)
    }

    /// Ask a model with the given turns, and wait for the whole answer. An empty model is the gateway's default.
    ///
    /// For sampling, tools and the rest fill in a request, and [`send`](Self::send) it.
    pub async fn chat<T: Into<Message>>(
        &self,
        model: impl Into<String>,
        turns: impl IntoIterator<Item = T>,
    ) -> Result<Reply, Error> {
        let messages = turns.into_iter().map(Into::into).collect();
        let response = self.send(SendRequest { model: model.into(), messages, ..SendRequest::default() }).await?;
        Ok(Reply { response })
    }

    /// The RPC `Send`: one inference, answered as a whole.
    pub async fn send(&self, request: SendRequest) -> Result<SendResponse, Error> {
        let (response, _) = self.call(request, async |stub, request| stub.send(request).await).await?;
        Ok(response)
    }

    /// The RPC `StreamSend`: one inference, answered as events. Returns when the first event is about to come.
    pub async fn stream(&self, request: impl Into<StreamSendRequest>) -> Result<ChatStream, Error> {
        let (events, deadline) =
            self.call(request.into(), async |stub, request| stub.stream_send(request).await).await?;
        Ok(ChatStream::new(events, deadline))
    }

    /// The models that the caller may use, of all pages from the request's on.
    pub async fn list_models(&self, mut request: ListModelsRequest) -> Result<Models, Error> {
        let mut found = Models::default();
        loop {
            let (page, _) = self.call(request.clone(), async |stub, request| stub.list_models(request).await).await?;
            found.models.extend(page.models);
            for name in &page.unreachable {
                let provider = name.strip_prefix("providers/").unwrap_or(name);
                if !found.unreachable.iter().any(|known| known == provider) {
                    found.unreachable.push(provider.to_owned());
                }
            }
            if page.next_page_token.is_empty() {
                return Ok(found);
            }
            request.page_token = page.next_page_token;
        }
    }

    /// The RPC `Health`: the gateway and its providers in detail.
    pub async fn health(&self, request: HealthRequest) -> Result<HealthResponse, Error> {
        let (response, _) = self.call(request, async |stub, request| stub.health(request).await).await?;
        Ok(response)
    }

    /// The connection with this client's key, metadata and deadline, for the stubs of other services: those of [`admin`](crate::admin), where the
    /// client was made for its address and has one of its keys. Their failures are tonic's, a deadline that passed is `Cancelled` there; [`Error`]
    /// is made from them.
    #[must_use]
    pub fn channel(&self) -> ClientChannel {
        InterceptedService::new(self.channel.clone(), CallSettings(self.clone()))
    }

    /// Call with the client's metadata, deadline and retries; also returns the deadline.
    async fn call<M: Clone, T>(
        &self,
        message: M,
        rpc: impl AsyncFn(&mut LlmGatewayClient<Channel>, Request<M>) -> Result<Response<T>, Status>,
    ) -> Result<(T, Option<Instant>), Error> {
        let deadline = self.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let metadata = self.metadata()?;
        let tries = retried(self.max_attempts, async || {
            let mut request = Request::from_parts(metadata.clone(), Extensions::default(), message.clone());
            if let Some(deadline) = deadline {
                request.set_timeout(deadline.saturating_duration_since(Instant::now()));
            }
            rpc(&mut self.stub.clone(), request).await
        });
        let answer = within(deadline, tries).await?;
        Ok((answer.into_inner(), deadline))
    }

    fn metadata(&self) -> Result<MetadataMap, Status> {
        let mut metadata = self.metadata.clone();
        if let Some(propagate) = &self.propagate {
            for (key, value) in propagate() {
                append(&mut metadata, &key, &value).map_err(|wrong| Status::invalid_argument(wrong.0))?;
            }
        }
        Ok(metadata)
    }
}

/// What [`Client::channel`] returns.
pub type ClientChannel = InterceptedService<Channel, CallSettings>;

/// Adds a client's metadata and deadline to each call.
#[derive(Clone, Debug)]
pub struct CallSettings(Client);

impl Interceptor for CallSettings {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        for entry in self.0.metadata()?.iter() {
            if let KeyAndValueRef::Ascii(key, value) = entry {
                request.metadata_mut().append(key.clone(), value.clone());
            }
        }
        if let Some(timeout) = self.0.timeout {
            request.set_timeout(timeout);
        }
        Ok(request)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Client").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

/// Await until the deadline.
async fn within<T>(deadline: Option<Instant>, call: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
    let Some(deadline) = deadline else { return call.await };
    timeout_at(deadline, call).await.unwrap_or_else(|_| Err(deadline_exceeded()))
}

/// Settings of a [`Client`].
#[must_use]
pub struct Builder {
    address: String,
    api_key: Option<String>,
    insecure: bool,
    timeout: Option<Duration>,
    max_attempts: u32,
    max_message_bytes: usize,
    propagate: Option<Arc<Propagate>>,
    #[cfg(feature = "tls")]
    tls: Option<ClientTlsConfig>,
    endpoint: Box<dyn FnOnce(Endpoint) -> Endpoint + Send>,
}

impl Builder {
    /// Send this key as `authorization: Bearer`; an empty one is none. Over plaintext it goes to this machine only, see
    /// [`insecure`](Self::insecure).
    pub fn api_key(self, key: impl Into<String>) -> Self {
        Self { api_key: Some(key.into()).filter(|key| !key.is_empty()), ..self }
    }

    /// Speak TLS: `ClientTlsConfig::new().with_enabled_roots()` trusts what the machine trusts; roots of your own and a client certificate
    /// (mTLS) are settings of it.
    #[cfg(feature = "tls")]
    pub fn tls(self, config: ClientTlsConfig) -> Self {
        Self { tls: Some(config), ..self }
    }

    /// Allow to send the key in plaintext to another machine, on a network that you trust.
    pub fn insecure(self) -> Self {
        Self { insecure: true, ..self }
    }

    /// The deadline of each call in place of [`DEFAULT_TIMEOUT`]; none is no deadline.
    pub fn timeout(self, timeout: impl Into<Option<Duration>>) -> Self {
        Self { timeout: timeout.into(), ..self }
    }

    /// How often a call is tried in all when the gateway is UNAVAILABLE, a stream only before its first event; 1 is never again.
    pub fn max_attempts(self, attempts: u32) -> Self {
        Self { max_attempts: attempts, ..self }
    }

    /// The size of the largest message that is received, in place of [`MAX_MESSAGE_BYTES`].
    pub fn max_message_bytes(self, bytes: usize) -> Self {
        Self { max_message_bytes: bytes, ..self }
    }

    /// Add the metadata that the function returns to each call, such as `traceparent`. With OpenTelemetry:
    ///
    /// ```ignore
    /// let builder = builder.propagate(|| {
    ///     let mut carrier = HashMap::new();
    ///     opentelemetry::global::get_text_map_propagator(|propagator| propagator.inject(&mut carrier));
    ///     carrier
    /// });
    /// ```
    pub fn propagate(self, propagate: impl Fn() -> HashMap<String, String> + Send + Sync + 'static) -> Self {
        Self { propagate: Some(Arc::new(propagate)), ..self }
    }

    /// Change tonic's options of the connection, such as keepalive and windows, after the client has set its own.
    pub fn endpoint(self, change: impl FnOnce(Endpoint) -> Endpoint + Send + 'static) -> Self {
        Self { endpoint: Box::new(change), ..self }
    }

    /// The client, which connects with its first call. Needs a tokio runtime around it.
    ///
    /// Fails for settings that contradict each other, and for an address that is none.
    pub fn build(self) -> Result<Client, ConfigurationError> {
        #[cfg(feature = "tls")]
        let tls = self.tls.is_some();
        #[cfg(not(feature = "tls"))]
        let tls = false;
        let wrong = |error| ConfigurationError(format!("{}: {}", self.address, told(&error)));
        let socket = self.address.starts_with("unix:");
        let uri = match (socket, tls) {
            (true, _) => self.address.clone(),
            (false, true) => format!("https://{}", self.address),
            (false, false) => format!("http://{}", self.address),
        };
        let endpoint = Endpoint::from_shared(uri)
            .and_then(|endpoint| endpoint.user_agent(concat!("llmgateway-rust/", env!("CARGO_PKG_VERSION"))))
            .map_err(wrong)?
            .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
            .keep_alive_timeout(KEEPALIVE_TIMEOUT);
        let mut metadata = MetadataMap::new();
        if let Some(key) = &self.api_key {
            let mut bearer = MetadataValue::<Ascii>::try_from(format!("Bearer {key}"))
                .map_err(|_| ConfigurationError("the API key has a character that HTTP headers cannot carry".into()))?;
            if !(tls || self.insecure || socket || is_loopback(endpoint.uri().host().unwrap_or_default())) {
                return Err(ConfigurationError(format!(
                    "refusing to send the API key in plaintext to {}: use tls, or insecure on a network you trust",
                    self.address
                )));
            }
            bearer.set_sensitive(true);
            metadata.insert("authorization", bearer);
        }
        #[cfg(feature = "tls")]
        let endpoint = match self.tls {
            Some(config) => endpoint.tls_config(config).map_err(wrong)?,
            None => endpoint,
        };
        let channel = (self.endpoint)(endpoint).connect_lazy();
        Ok(Client {
            channel: channel.clone(),
            stub: LlmGatewayClient::new(channel).max_decoding_message_size(self.max_message_bytes),
            metadata,
            timeout: self.timeout,
            max_attempts: self.max_attempts,
            propagate: self.propagate,
        })
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Builder").field("address", &self.address).finish_non_exhaustive()
    }
}

/// Settings that contradict each other, or that gRPC cannot use.
#[derive(Clone, Debug, PartialEq)]
pub struct ConfigurationError(String);

impl fmt::Display for ConfigurationError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl error::Error for ConfigurationError {}

/// An error and what caused it.
fn told(error: &dyn error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", told(source)),
        None => error.to_string(),
    }
}

fn append(metadata: &mut MetadataMap, key: &str, value: &str) -> Result<(), ConfigurationError> {
    let wrong = || ConfigurationError(format!("the metadata {key:?} is nothing that HTTP headers can carry"));
    let value = MetadataValue::<Ascii>::try_from(value).map_err(|_| wrong())?;
    let name = MetadataKey::<Ascii>::from_bytes(key.to_ascii_lowercase().as_bytes()).map_err(|_| wrong())?;
    metadata.append(name, value);
    Ok(())
}

/// Whether a host is surely this machine.
fn is_loopback(host: &str) -> bool {
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}
