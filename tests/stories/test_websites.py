"""Websites: their configuration, and what readers see."""

from __future__ import annotations

import re
from typing import NamedTuple

import pytest

from zakrom.model.caller import ANONYMOUS, Caller
from zakrom.model.facts import User
from zakrom.s3.call import DoorOptions
from zakrom.s3.website import Site, by_host

from .harness import ALICE, BOB, REGIONS, S3, Answer, canonical_id

DOMAIN = "web.example.org"
INDEX = "<IndexDocument><Suffix>index.html</Suffix></IndexDocument>"
SHOULD_NOT_BE = "the condition element shouldn't be present."
ERROR = "<ErrorDocument><Key>error.html</Key></ErrorDocument>"


def site_xml(*parts: str) -> bytes:
    """A WebsiteConfiguration."""
    return f"<WebsiteConfiguration>{''.join(parts)}</WebsiteConfiguration>".encode()


def rules_xml(*rules: str) -> str:
    """RoutingRules."""
    return f"<RoutingRules>{''.join(f'<RoutingRule>{rule}</RoutingRule>' for rule in rules)}</RoutingRules>"


def rule(redirect: str, prefix: str | None = None, error: int | None = None) -> str:
    """The content of a rule."""
    condition = "" if prefix is None else f"<KeyPrefixEquals>{prefix}</KeyPrefixEquals>"
    condition += "" if error is None else f"<HttpErrorCodeReturnedEquals>{error}</HttpErrorCodeReturnedEquals>"
    when = f"<Condition>{condition}</Condition>" if condition else ""
    return f"{when}<Redirect>{redirect}</Redirect>"


class Reader(NamedTuple):
    """Somebody with a browser, and the site they look at."""

    s3: S3
    bucket: str
    site: Site

    @property
    def host(self) -> str:
        """The site's."""
        return f"{self.bucket[1:]}.{DOMAIN}"

    def ask(
        self, path: str, headers: dict[str, str] | None = None, method: str = "GET", host: str = "", *, secure: bool = False
    ) -> Answer:
        """A request as a browser sends it."""
        request = self.s3.request(method, path, "", headers, b"", None, host=host or self.host, secure=secure)
        return self.s3.run(self.s3.answer(request, self.site))

    def configure(self, *parts: str) -> None:
        """Sets the site's configuration."""
        answer = self.s3.ask("PUT", self.bucket, "website", body=site_xml(*parts))
        assert answer.status == 200, answer

    def where(self, path: str) -> tuple[int, str | None]:
        """Status and Location."""
        answer = self.ask(path)
        return answer.status, answer.headers.get("location")


def site_for(s3: S3, caller: Caller) -> Site:
    """A door for readers who may do what this caller may."""
    return Site(s3.store, DoorOptions(REGIONS), (DOMAIN,), s3.now_ms, lambda error, _id: s3.reported.append(error), caller)


@pytest.fixture
def reader(s3: S3, bucket: str) -> Reader:
    """A reader of a bucket that shows all to anybody."""
    anybody = User("root", canonical_id("root"), "", "", 0, root=True)
    return Reader(s3, bucket, site_for(s3, Caller(anybody)))


def page(status: str, facts: str, more: str = "") -> str:
    """A page of an error, without its ids."""
    return (
        f"<html>\n<head><title>{status}</title></head>\n<body>\n<h1>{status}</h1>\n<ul>\n{facts}<li>RequestId: </li>\n"
        f"<li>HostId: </li>\n</ul>\n{more}<hr/>\n</body>\n</html>\n"
    )


def shown(answer: Answer) -> str:
    """The page, without its ids."""
    text = re.sub(r"<li>(RequestId|HostId): \w+", r"<li>\1: ", answer.body.decode())
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    return text


def facts(**named: str) -> str:
    """The facts of a page."""
    return "".join(f"<li>{name}: {value}</li>\n" for name, value in named.items())


NO_KEY = {"Code": "NoSuchKey", "Message": "The specified key does not exist."}


# ----------------------------------------------------------------------------------------------------------- the document


@pytest.mark.parametrize(
    "body",
    [
        site_xml(INDEX),
        site_xml(INDEX, ERROR),
        site_xml("<RedirectAllRequestsTo><HostName>a.example</HostName></RedirectAllRequestsTo>"),
        site_xml("<RedirectAllRequestsTo><HostName>a.example</HostName><Protocol>https</Protocol></RedirectAllRequestsTo>"),
        site_xml(
            INDEX,
            rules_xml(
                rule(
                    "<Protocol>https</Protocol><HostName>a.example</HostName><ReplaceKeyPrefixWith></ReplaceKeyPrefixWith>"
                    "<HttpRedirectCode>307</HttpRedirectCode>",
                    "docs/",
                    404,
                ),
                rule("<ReplaceKeyWith>a &amp; b</ReplaceKeyWith>"),
            ),
        ),
    ],
)
def test_the_document_comes_back_as_it_was_sent(s3: S3, bucket: str, body: bytes) -> None:
    """Every element; deleting works also twice."""
    assert s3.ask("PUT", bucket, "website", body=body).status == 200
    got = s3.ask("GET", bucket, "website").body.decode()
    namespace = ' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
    assert got.partition("\n")[2].replace(namespace, "") == body.decode()
    assert [s3.ask("DELETE", bucket, "website").status for _ in range(2)] == [204, 204]
    assert s3.ask("GET", bucket, "website").error == (404, "NoSuchWebsiteConfiguration")


@pytest.mark.parametrize(
    ("parts", "code", "message", "fields"),
    [
        (
            "<IndexDocument><Suffix>/index.html</Suffix></IndexDocument>",
            "InvalidArgument",
            "The IndexDocument Suffix is not well formed",
            {"ArgumentName": "IndexDocument", "ArgumentValue": "/index.html"},
        ),
        (
            "<IndexDocument><Suffix></Suffix></IndexDocument>",
            "InvalidArgument",
            "The IndexDocument Suffix is not well formed",
            {"ArgumentName": "IndexDocument", "ArgumentValue": ""},
        ),
        (
            "<RedirectAllRequestsTo><HostName>test</HostName></RedirectAllRequestsTo>" + INDEX,
            "InvalidArgument",
            "RedirectAllRequestsTo cannot be provided in conjunction with other Routing Rules.",
            {"ArgumentName": "RedirectAllRequestsTo", "ArgumentValue": "not null"},
        ),
        (
            ERROR,
            "InvalidArgument",
            "A value for IndexDocument Suffix must be provided if RedirectAllRequestsTo is empty",
            {"ArgumentName": "IndexDocument", "ArgumentValue": "null"},
        ),
        (
            INDEX + rules_xml(rule("<Protocol>gopher</Protocol>")),
            "InvalidRequest",
            "Invalid protocol, protocol can be http or https. If not defined the protocol will be selected automatically.",
            {},
        ),
        (
            INDEX + rules_xml(rule("<ReplaceKeyPrefixWith>a</ReplaceKeyPrefixWith><ReplaceKeyWith>b</ReplaceKeyWith>")),
            "InvalidRequest",
            "You can only define ReplaceKeyPrefix or ReplaceKey but not both.",
            {},
        ),
        (
            INDEX + rules_xml("<Condition/><Redirect><ReplaceKeyWith>b</ReplaceKeyWith></Redirect>"),
            "InvalidRequest",
            f"Condition cannot be empty. To redirect all requests without a condition, {SHOULD_NOT_BE}",
            {},
        ),
        (
            INDEX + rules_xml(rule("<HttpRedirectCode>200</HttpRedirectCode>")),
            "InvalidRequest",
            "The provided HTTP redirect code (200) is not valid. Valid codes are 3XX except 300.",
            {},
        ),
        (
            INDEX + rules_xml(rule("<HttpRedirectCode>302</HttpRedirectCode>", error=200)),
            "InvalidRequest",
            "The provided HTTP error code (200) is not valid. Valid codes are 4XX or 5XX.",
            {},
        ),
        (
            INDEX + rules_xml(*[rule("")] * 51),
            "InvalidRequest",
            "51 routing rules provided, the number of routing rules in a website configuration is limited to 50.",
            {},
        ),
        (INDEX + "<RoutingRules/>", "MalformedXML", None, {}),
        (INDEX + "<RoutingRules><RoutingRule/></RoutingRules>", "MalformedXML", None, {}),
        (INDEX + INDEX, "MalformedXML", None, {}),
        ("<IndexDocument/>", "MalformedXML", None, {}),
        (INDEX + "<ErrorDocument/>", "MalformedXML", None, {}),
        ("<RedirectAllRequestsTo/>", "MalformedXML", None, {}),
        (INDEX + rules_xml(rule("<HttpRedirectCode>x</HttpRedirectCode>")), "MalformedXML", None, {}),
        (INDEX + rules_xml(rule("<HostName>a\nb</HostName>")), "InvalidArgument", "The HostName is not well formed", None),
        (
            "<RedirectAllRequestsTo><HostName>a&#13;&#10;Set-Cookie: b</HostName></RedirectAllRequestsTo>",
            "InvalidArgument",
            "The HostName is not well formed",
            None,
        ),
        (INDEX + "<ErrorDocument><Key></Key></ErrorDocument>", "InvalidArgument", None, None),
    ],
)
def test_configurations_that_are_none(
    s3: S3, bucket: str, parts: str, code: str, message: str | None, fields: dict[str, str] | None
) -> None:
    """AWS's words; and nothing is stored that would break a header."""
    answer = s3.ask("PUT", bucket, "website", body=site_xml(parts))

    assert answer.error == (400, code)
    assert message is None or answer.text("Message") == message
    assert fields is None or answer.fields == fields
    assert s3.ask("GET", bucket, "website").status == 404


def test_who_may_configure_it(s3: S3, bucket: str) -> None:
    """The owner and nobody else."""
    for method in ("GET", "PUT", "DELETE"):
        assert s3.ask(method, bucket, "website", body=site_xml(INDEX), who=BOB).status == 403


# ---------------------------------------------------------------------------------------------- objects that lead elsewhere


def test_the_redirect_of_an_object(s3: S3, bucket: str) -> None:
    """It is shown to who reads by the API, by GET and HEAD; a copy has only its own."""
    path, header = bucket + "/k", "x-amz-website-redirect-location"
    s3.put(path, b"", x_amz_website_redirect_location="/a/b")
    for method in ("GET", "HEAD"):
        assert s3.ask(method, path).headers[header] == "/a/b"
    s3.ask("PUT", bucket + "/copy", headers={"x-amz-copy-source": path})
    onto = {"x-amz-copy-source": path, header: "https://b.example"}

    assert header not in s3.ask("HEAD", bucket + "/copy").headers
    assert s3.ask("PUT", path, headers=onto).status == 200
    assert s3.ask("HEAD", path).headers[header] == "https://b.example"
    s3.multipart(bucket + "/parts", b"x", x_amz_website_redirect_location="http://c.example/")
    assert s3.ask("HEAD", bucket + "/parts").headers[header] == "http://c.example/"


@pytest.mark.parametrize("location", ["elsewhere", "javascript:alert(1)", "", "/" + "x" * 2048])
def test_redirects_that_are_none(s3: S3, bucket: str, location: str) -> None:
    """A path or a URL, of at most 2048 characters."""
    answer = s3.ask("PUT", bucket + "/k", headers={"x-amz-website-redirect-location": location})

    assert answer.error == (400, "InvalidRedirectLocation")


# ----------------------------------------------------------------------------------------------------------------- reading


def test_pages_and_folders(s3: S3, reader: Reader) -> None:
    """A path is a key; a folder shows its index, and is asked for with a slash."""
    reader.configure(INDEX)
    s3.put(reader.bucket + "/index.html", b"home", content_type="text/html")
    s3.put(reader.bucket + "/dir é/index.html", b"folder")
    s3.put(reader.bucket + "/page?", b"a page", content_type="text/x-rye")
    home = reader.ask("/")

    assert (home.status, home.body, home.headers["content-type"], home.operation) == (200, b"home", "text/html", "GetObject")
    assert reader.ask("/page?").body == b"a page"
    assert reader.where("/dir é") == (302, "/dir%20%C3%A9/")
    s3.put(reader.bucket + "//else.example/index.html", b"no other host")
    assert reader.where("//else.example") == (302, "/%2Felse.example/")
    assert reader.ask("/dir é/").body == b"folder"
    assert reader.ask("/page?", {"if-none-match": home.etag}).status == 200
    assert reader.ask("/", {"if-none-match": home.etag}).status == 304
    assert reader.ask("/", {"range": "bytes=1-2"}).body == b"om"
    head = reader.ask("/", method="HEAD")
    assert (head.status, head.body, head.length, head.operation) == (200, b"", 4, "HeadObject")


def test_what_is_not_there(s3: S3, reader: Reader) -> None:
    """A page that says so, with AWS's words."""
    nothing = reader.ask("/any")
    assert nothing.status == 404
    assert shown(nothing) == page(
        "404 Not Found",
        facts(
            Code="NoSuchWebsiteConfiguration",
            Message="The specified bucket does not have a website configuration",
            BucketName=reader.bucket[1:],
        ),
    )
    nobody = reader.ask("/", host=f"no-such-bucket-here.{DOMAIN}")
    assert shown(nobody) == page(
        "404 Not Found",
        facts(Code="NoSuchBucket", Message="The specified bucket does not exist", BucketName="no-such-bucket-here"),
    )
    reader.configure(INDEX)
    for path, key in {"/": "index.html", "/<b>": "&lt;b&gt;", "/a/": "a/index.html"}.items():
        missing = reader.ask(path)
        assert (missing.status, missing.headers["x-amz-error-code"]) == (404, "NoSuchKey")
        assert shown(missing) == page("404 Not Found", facts(**NO_KEY, Key=key))
    assert reader.ask("/", method="HEAD").status == 404
    for method in ("POST", "DELETE", "PUT"):
        refused = reader.ask("/", method=method)
        assert refused.status == 405
        assert shown(refused) == page(
            "405 Method Not Allowed",
            facts(
                Code="MethodNotAllowed",
                Message="The specified method is not allowed against this resource.",
                Method=method,
                ResourceType="OBJECT",
            ),
        )


def test_a_deleted_page(s3: S3, reader: Reader) -> None:
    """A delete marker is no page; the page of the error says nothing of versions."""
    s3.versioning(reader.bucket, "Enabled")
    reader.configure(INDEX)
    s3.put(reader.bucket + "/index.html", b"home")
    s3.ask("DELETE", reader.bucket + "/index.html")

    assert shown(reader.ask("/")) == page("404 Not Found", facts(**NO_KEY, Key="index.html"))


def test_the_sites_own_error_document(s3: S3, reader: Reader) -> None:
    """It is shown with the status of the error, whatever the request's conditions; if it is missing too, both are told."""
    reader.configure(INDEX, ERROR)
    more = (
        "<h3>An Error Occurred While Attempting to Retrieve a Custom Error Document</h3>\n<ul>\n"
        + facts(**NO_KEY, Key="error.html")
        + "</ul>\n"
    )
    assert shown(reader.ask("/")) == page("404 Not Found", facts(**NO_KEY, Key="index.html"), more)
    s3.put(reader.bucket + "/error.html", b"sorry", content_type="text/html")
    for headers in ({}, {"range": "bytes=0-1"}, {"if-match": '"x"'}, {"if-modified-since": "Sat, 01 Jan 2050 00:00:00 GMT"}):
        sorry = reader.ask("/none", headers)
        assert (sorry.status, sorry.body, sorry.headers["content-type"]) == (404, b"sorry", "text/html")
    assert reader.ask("/", method="POST").body != b"sorry"
    s3.put(reader.bucket + "/error.html", b"", x_amz_website_redirect_location="/sorry")
    assert reader.where("/none") == (301, "/sorry")


def test_an_object_that_leads_elsewhere(s3: S3, reader: Reader) -> None:
    """301, also from an index."""
    reader.configure(INDEX)
    s3.put(reader.bucket + "/index.html", b"x" * 100_000, x_amz_website_redirect_location="/another/index.html")
    s3.put(reader.bucket + "/out", b"", x_amz_website_redirect_location="https://a.example/?b#c")

    assert reader.where("/") == (301, "/another/index.html")
    assert reader.where("/out") == (301, "https://a.example/?b#c")


def test_a_site_that_is_elsewhere(reader: Reader) -> None:
    """All requests are sent on, with their key; the protocol is the request's unless another is given."""
    reader.configure("<RedirectAllRequestsTo><HostName>a.example</HostName></RedirectAllRequestsTo>")

    assert reader.where("/") == (301, "http://a.example/")
    assert reader.where("/b c/é") == (301, "http://a.example/b%20c/%C3%A9")
    assert reader.ask("/", secure=True).headers["location"] == "https://a.example/"
    assert reader.ask("/").body == b""
    reader.configure("<RedirectAllRequestsTo><HostName>a</HostName><Protocol>https</Protocol></RedirectAllRequestsTo>")
    assert reader.where("/b") == (301, "https://a/b")


def test_rules_by_prefix(s3: S3, reader: Reader) -> None:
    """The first that matches, before any object is looked for; each part of the URL that a rule names is replaced."""
    reader.configure(
        INDEX,
        rules_xml(
            rule("<HostName>random-host</HostName>", "host/"),
            rule("<ReplaceKeyPrefixWith>new/</ReplaceKeyPrefixWith>", "old/"),
            rule("<ReplaceKeyPrefixWith></ReplaceKeyPrefixWith>", "docs/"),
            rule("<ReplaceKeyPrefixWith>find?key=</ReplaceKeyPrefixWith><HostName>api</HostName>", "api/"),
            rule("<Protocol>https</Protocol>", "safe/"),
            rule("<ReplaceKeyWith>x é\r\n.html</ReplaceKeyWith><HttpRedirectCode>307</HttpRedirectCode>", "code"),
            rule("<HostName>too-late</HostName>", "old/"),
            rule("<HostName>index</HostName>", "index"),
        ),
    )
    s3.put(reader.bucket + "/old/key", b"", x_amz_website_redirect_location="/not-this")
    s3.put(reader.bucket + "/index.html", b"home")
    here = f"http://{reader.host}"

    assert reader.where("/host/key") == (301, "http://random-host/host/key")
    assert reader.where("/old/key") == (301, f"{here}/new/key")
    assert reader.where("/docs/a b") == (301, f"{here}/a%20b")
    assert reader.where("/api/a?b") == (301, "http://api/find?key=a%3Fb")
    assert reader.where("/safe/k") == (301, f"https://{reader.host}/safe/k")
    assert reader.where("/code/k") == (307, f"{here}/x%20%C3%A9%0A.html")
    assert reader.ask("/").body == b"home"


def test_rules_by_error(s3: S3, reader: Reader) -> None:
    """They count when the answer would be that error, and before the error document."""
    reader.configure(
        INDEX,
        ERROR,
        rules_xml(
            rule("<ReplaceKeyWith>both.html</ReplaceKeyWith>", "both/", 404),
            rule("<ReplaceKeyWith>denied.html</ReplaceKeyWith>", None, 403),
            rule("<ReplaceKeyWith>found.html</ReplaceKeyWith>", "there", 404),
            rule("<ReplaceKeyWith>lost.html</ReplaceKeyWith>", None, 404),
        ),
    )
    s3.put(reader.bucket + "/there", b"there")
    s3.put(reader.bucket + "/error.html", b"sorry")
    here = f"http://{reader.host}"

    assert reader.where("/both/") == (301, f"{here}/both.html")
    assert reader.where("/none") == (301, f"{here}/lost.html")
    assert reader.ask("/there").body == b"there"
    assert reader.where("/there-not") == (301, f"{here}/found.html")


def test_a_site_by_path(s3: S3, reader: Reader) -> None:
    """On a host that is no site's, the path begins with the bucket; redirects stay below it."""
    reader.configure(INDEX, rules_xml(rule("<ReplaceKeyWith>new</ReplaceKeyWith>", "old")))
    s3.put(reader.bucket + "/a/index.html", b"folder")
    s3.put(reader.bucket + "/index.html", b"home")

    def ask(path: str) -> tuple[int, str | None, bytes]:
        answer = reader.ask(path, host="127.0.0.1:9080")
        return answer.status, answer.headers.get("location"), answer.body

    assert ask(reader.bucket) == (302, reader.bucket + "/", b"")
    assert ask(reader.bucket + "/") == (200, None, b"home")
    assert ask(reader.bucket + "/a") == (302, reader.bucket + "/a/", b"")
    assert ask(reader.bucket + "/a/") == (200, None, b"folder")
    assert ask(reader.bucket + "/old") == (301, f"http://127.0.0.1:9080{reader.bucket}/new", b"")
    assert ask("/")[0] == 404
    assert ask("//x")[0] == 400


def test_a_host_that_is_a_buckets_name(s3: S3, reader: Reader) -> None:
    """As with AWS, a name of one's own is a bucket's name."""
    assert s3.ask("PUT", "/www.granary.example").status == 200
    site = reader._replace(bucket="/www.granary.example")
    site.configure(INDEX)
    s3.put("/www.granary.example/index.html", b"own")

    assert site.ask("/", host="WWW.granary.example:8080").body == b"own"
    s3.ask("DELETE", "/www.granary.example/index.html")
    s3.ask("DELETE", "/www.granary.example")


def test_pages_of_other_origins(s3: S3, reader: Reader) -> None:
    """The bucket's rules count for its site too."""
    reader.configure(INDEX)
    rule = b"<CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod></CORSRule>"
    s3.ask("PUT", reader.bucket, "cors", body=b"<CORSConfiguration>" + rule + b"</CORSConfiguration>")
    asked = reader.ask("/", {"origin": "https://a.example", "access-control-request-method": "GET"}, "OPTIONS")

    assert (asked.status, asked.headers["access-control-allow-origin"]) == (200, "*")
    assert reader.ask("/", {"origin": "https://a.example"}).headers["access-control-allow-origin"] == "*"


def test_what_nobody_allowed_is_not_shown(s3: S3) -> None:
    """Readers are anybody: a private bucket's site says 403 for what is there and for what is not."""
    bucket = s3.bucket(ALICE)
    assert s3.ask("PUT", bucket, "website", body=site_xml(INDEX, ERROR), who=ALICE).status == 200
    assert s3.ask("PUT", bucket + "/index.html", body=b"private", who=ALICE).status == 200
    reader = Reader(s3, bucket, site_for(s3, ANONYMOUS))
    refused = facts(Code="AccessDenied", Message="Access Denied")
    more = f"<h3>An Error Occurred While Attempting to Retrieve a Custom Error Document</h3>\n<ul>\n{refused}</ul>\n"

    for path in ("/", "/none"):
        answer = reader.ask(path, {"authorization": "whatever"})
        assert answer.status == 403
        assert shown(answer) == page("403 Forbidden", refused, more)


def test_sites_and_the_api_share_a_socket(s3: S3, reader: Reader) -> None:
    """The host decides."""
    reader.configure(INDEX)
    s3.put(reader.bucket + "/index.html", b"home")
    both = by_host(reader.site, (DOMAIN,), s3.door)

    def ask(host: str, path: str) -> Answer:
        return s3.run(s3.answer(s3.request("GET", path, host=host), both))

    assert ask(reader.host, "/").body == b"home"
    assert ask("s3.example.org", reader.bucket + "/index.html").body == b"home"
    assert ask(DOMAIN, "/").operation == "ListBuckets"
