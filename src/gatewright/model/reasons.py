"""Why a request is refused: stable codes, the status that goes with each, and plain words for whoever meets it.

The codes are a contract: they stand in the JSON body, in the HTML page and in the documentation.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason for refusing a request.

    ``status`` is an HTTP status code (RFC 9110 §15); ``title`` a short headline; ``what`` says what happened and
    ``remedy`` what the caller can do, both plain text without markup.
    """

    code: str
    status: int
    phrase: str
    title: str
    what: str
    remedy: str


CERTIFICATE_REQUIRED = Reason(
    "client_certificate_required",
    403,
    "Forbidden",
    "A client certificate is required",
    "This address answers only to callers who present a client certificate, and your connection presented none.",
    "Present your certificate and key, for example: curl --cert client.pem --key client.key followed by this address. "
    "In a browser, import the .p12 file and open the page in a new window.",
)
CERTIFICATE_REVOKED = Reason(
    "certificate_revoked",
    403,
    "Forbidden",
    "This client certificate has been revoked",
    "The certificate you presented was withdrawn by the operator of this gateway.",
    "Ask the operator for a new certificate and give the request id below.",
)
CERTIFICATE_NOT_AUTHORISED = Reason(
    "certificate_not_authorised",
    403,
    "Forbidden",
    "This client certificate may not use this address",
    "Your certificate is valid, but it is not among those that may use this address.",
    "Check that you sent the certificate meant for this service, or ask the operator to add it; give the request id below.",
)
OUTSIDE_HOURS = Reason(
    "outside_hours",
    403,
    "Forbidden",
    "This address is not open at this time",
    "Your certificate may use this address, but only at certain times (UTC), and now is not one of them.",
    "Come again when it is open. If you need it at other times, ask the operator; give the request id below.",
)
CERTIFICATE_NOT_ENROLLED_YET = Reason(
    "certificate_not_enrolled_yet",
    503,
    "Service Unavailable",
    "This client certificate is being looked at for the first time",
    "Your certificate is valid and was not seen here before. Who it stands for is being compared, which takes a moment.",
    "Send the same request again after a second. If the answer stays the same, give the operator the request id below.",
)
NO_ROUTE = Reason(
    "no_such_route",
    403,
    "Forbidden",
    "Nothing is served here",
    "No route of this gateway covers the address you asked for.",
    "Check the path. A route's path ends in a slash when it covers everything below it.",
)
UNSAFE_PATH = Reason(
    "unsafe_path",
    403,
    "Forbidden",
    "This path cannot be passed on",
    "The path holds parameters on a dot segment, a backslash or control characters, which servers read in different ways.",
    "Ask for the path in its plain form.",
)
ROUTE_SHUT = Reason(
    "route_shut",
    403,
    "Forbidden",
    "This address is shut for now",
    "A proof of this gateway found that this address is not guarded as it was declared, so it was shut for everybody.",
    "This is not your fault. Give the operator the request id below; 'gatewright status' says what was found.",
)
CREDENTIALS_REQUIRED = Reason(
    "credentials_required",
    401,
    "Unauthorized",
    "Credentials are required besides the certificate",
    "Your certificate may use this address, but the request carried no credentials, and both are needed.",
    "Send the user name and password, or the bearer token, that you were given; WWW-Authenticate says which.",
)
CREDENTIALS_INVALID = Reason(
    "credentials_invalid",
    401,
    "Unauthorized",
    "The user name or password is wrong",
    "Your certificate may use this address, but the user name and password sent with it are not good.",
    "Check both, or ask the operator for a new password; give the request id below.",
)
TOKEN_INVALID = Reason(
    "token_invalid",
    401,
    "Unauthorized",
    "The bearer token is not good for this address",
    "The token is malformed, forged, expired, not yet valid, or of another issuer or for another audience.",
    "Get a fresh token for this service from its issuer. The operator finds the exact cause by the request id below.",
)
TOKEN_BOUND_ELSEWHERE = Reason(
    "token_bound_to_another_certificate",
    401,
    "Unauthorized",
    "The bearer token is bound to another certificate",
    "Tokens for this address belong to one client certificate, and this one does not belong to the certificate you presented.",
    "Present the certificate the token was issued to, or get a token that is bound to the one you presented (RFC 8705).",
)
CREDENTIALS_UNAVAILABLE = Reason(
    "credentials_unavailable",
    503,
    "Service Unavailable",
    "Credentials cannot be checked at the moment",
    "The gateway could not check the credentials of your request, and lets nobody in unchecked. This is not your fault.",
    "Try again in a few seconds. If it persists, give the operator the request id below.",
)
UNKNOWN_HOST = Reason(
    "unknown_host",
    403,
    "Forbidden",
    "This gateway does not serve that name",
    "The host name in your request is not one of this gateway's names.",
    "Use the gateway's own host name in the address.",
)
BAD_REQUEST = Reason(
    "bad_request",
    400,
    "Bad Request",
    "The request could not be understood",
    "The request is not well-formed HTTP, or plain HTTP was sent to the TLS port.",
    "Use https:// and a current HTTP client.",
)
NOT_FOUND = Reason(
    "not_found",
    404,
    "Not Found",
    "There is no such file",
    "The route exists, but nothing stands at this path.",
    "Check the spelling of the path.",
)
METHOD_NOT_ALLOWED = Reason(
    "method_not_allowed",
    405,
    "Method Not Allowed",
    "This method is not allowed here",
    "The route exists, but not for the method you used.",
    "Use one of the methods the route declares.",
)
MISDIRECTED = Reason(
    "misdirected_request",
    421,
    "Misdirected Request",
    "The name in the request is not the name in the handshake",
    "The connection was opened for one host name (SNI) and the request asks for another.",
    "Open a new connection for this host name and send the same name in the Host header.",
)
INTERNAL_ERROR = Reason(
    "internal_error",
    500,
    "Internal Server Error",
    "The gateway failed",
    "The gateway could not handle the request. This is not your fault.",
    "Try again later, and give the operator the request id below.",
)
BACKEND_UNREACHABLE = Reason(
    "backend_unreachable",
    502,
    "Bad Gateway",
    "The service behind this gateway cannot be reached",
    "The gateway admitted your request, but no connection to the service could be made.",
    "Try again later. If it persists, give the operator the request id below.",
)
BACKEND_INVALID = Reason(
    "backend_invalid_response",
    502,
    "Bad Gateway",
    "The service behind this gateway gave no usable answer",
    "The gateway admitted your request, but the service closed the connection or broke the protocol.",
    "Try again later. If it persists, give the operator the request id below.",
)
BACKEND_NOT_VERIFIED = Reason(
    "backend_not_verified",
    502,
    "Bad Gateway",
    "The service behind this gateway could not be verified",
    "The gateway admitted your request, but no trustworthy TLS connection to the service came about, so nothing was passed on.",
    "This is not your fault. Give the operator the request id below; the gateway's log says what was wrong.",
)
BACKEND_TIMEOUT = Reason(
    "backend_timeout",
    504,
    "Gateway Timeout",
    "The service behind this gateway did not answer in time",
    "The gateway admitted your request and passed it on, but the service stayed silent for too long.",
    "The request may still have taken effect: check before you repeat it.",
)

ALL: tuple[Reason, ...] = (
    CERTIFICATE_REQUIRED,
    CERTIFICATE_REVOKED,
    CERTIFICATE_NOT_AUTHORISED,
    OUTSIDE_HOURS,
    CERTIFICATE_NOT_ENROLLED_YET,
    NO_ROUTE,
    UNSAFE_PATH,
    ROUTE_SHUT,
    CREDENTIALS_REQUIRED,
    CREDENTIALS_INVALID,
    TOKEN_INVALID,
    TOKEN_BOUND_ELSEWHERE,
    CREDENTIALS_UNAVAILABLE,
    UNKNOWN_HOST,
    BAD_REQUEST,
    NOT_FOUND,
    METHOD_NOT_ALLOWED,
    MISDIRECTED,
    INTERNAL_ERROR,
    BACKEND_UNREACHABLE,
    BACKEND_INVALID,
    BACKEND_NOT_VERIFIED,
    BACKEND_TIMEOUT,
)
