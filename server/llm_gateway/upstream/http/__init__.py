"""HTTP/1.1 to one endpoint: `client` is the seam, `h1` the connection, `proxied` the way through a proxy, `resolver` the addresses. See README.md."""

from .client import CUT_BYTES as CUT_BYTES
from .client import Body as Body
from .client import HttpClient as HttpClient
from .client import HttpResponse as HttpResponse
from .client import host_of as host_of
from .h1 import ConnectFailed as ConnectFailed
from .h1 import ConnectionBroken as ConnectionBroken
from .h1 import ConnectTimeout as ConnectTimeout
from .h1 import Headers as Headers
from .h1 import ProtocolViolation as ProtocolViolation
from .h1 import ResponseTooLarge as ResponseTooLarge
from .h1 import TlsFailed as TlsFailed
from .h1 import TransportError as TransportError
from .resolver import SHARED as SHARED
from .resolver import Address as Address
from .resolver import Following as Following
from .resolver import Resolver as Resolver
from .resolver import one_family as one_family
