"""Uploads by forms: a policy, its signature, fields and a file."""

from __future__ import annotations

import json
import zlib
from base64 import b64encode
from urllib.parse import parse_qs, urlsplit

import pytest

from zakrom.testing.forms import BOUNDARY, encode_form
from zakrom.wire import dates
from zakrom.wire.sigv4 import Credentials, sign_form
from zakrom.wire.sigv4.v2 import signature as v2_signature

from .harness import ALICE, BOB, HOST, MIB, ROOT, S3, Answer

FORM = f"multipart/form-data; boundary={BOUNDARY}"
OWN = "x-amz-algorithm x-amz-credential x-amz-date"

Fields = dict[str, str]


def policy_of(s3: S3, conditions: list[object], age_ms: int = 0) -> str:
    """A policy that holds for a minute, in base64."""
    expiration = dates.iso8601(s3.now_ms() + 60_000 - age_ms)
    return b64encode(json.dumps({"expiration": expiration, "conditions": conditions}).encode()).decode()


def signed(s3: S3, bucket: str, conditions: list[object], fields: Fields, who: Credentials = ROOT, age_ms: int = 0) -> Fields:
    """The fields with a policy of these conditions (and the ones that all need), signed."""
    stamp = sign_form(who, "", now_ms=s3.now_ms())
    always = [{"bucket": bucket[1:]}, *({name: stamp[name]} for name in OWN.split())]
    policy = policy_of(s3, always + conditions, age_ms)
    return {**fields, "policy": policy, **sign_form(who, policy, now_ms=s3.now_ms())}


def post(
    s3: S3,
    bucket: str,
    fields: Fields | list[tuple[str, str]],
    file: bytes | None = b"rye",
    filename: str | None = "a.txt",
    step: int | None = None,
    who: Credentials | None = None,
) -> Answer:
    """A form, sent by nobody in particular. ``step``: how many bytes arrive at once."""
    body = encode_form(fields, file, filename)
    pieces = [body[at : at + step] for at in range(0, len(body), step)] if step is not None else None
    return s3.ask("POST", bucket, headers={"content-type": FORM}, body=body, who=who, pieces=pieces)


def key_form(s3: S3, bucket: str, key: str = "k", *conditions: object, **fields: str) -> Fields:
    """A signed form for one key, and fields that have a condition each."""
    covered = [{"key": key}, *({name: value} for name, value in fields.items()), *conditions]
    return signed(s3, bucket, covered, {"key": key, **fields})


def refusal(answer: Answer) -> tuple[int, str | None, str | None]:
    """Status, code, message."""
    return answer.status, answer.code, answer.text("Message")


def denied(message: str) -> tuple[int, str, str]:
    """What a policy that does not allow it answers."""
    return 403, "AccessDenied", f"Invalid according to Policy: {message}"


# ------------------------------------------------------------------------------------------------------------------ the way


def test_a_form_becomes_an_object(s3: S3, bucket: str) -> None:
    """204 and where it is; the fields are what headers would be."""
    fields = key_form(
        s3,
        bucket,
        "grain/rye",
        **{
            "Content-Type": "text/x-rye",
            "Cache-Control": "no-store",
            "x-amz-meta-Field": "north",
            "x-amz-storage-class": "STANDARD_IA",
            "tagging": "<Tagging><TagSet><Tag><Key>k e</Key><Value>y</Value></Tag></TagSet></Tagging>",
            "acl": "private",
        },
    )
    answer = post(s3, bucket, fields)
    head = s3.ask("GET", bucket + "/grain/rye")

    assert (answer.status, answer.body, answer.operation) == (204, b"", "PostObject")
    assert answer.headers["location"] == f"http://{HOST}{bucket}/grain%2Frye"
    assert (head.body, head.etag) == (b"rye", answer.etag)
    assert [head.headers[name] for name in ("content-type", "cache-control", "x-amz-meta-field", "x-amz-storage-class")] == [
        "text/x-rye",
        "no-store",
        "north",
        "STANDARD_IA",
    ]
    assert s3.ask("GET", bucket + "/grain/rye", "tagging").texts("TagSet/Tag/Key") == ["k e"]
    assert s3.ask("GET", bucket + "/grain/rye", headers={"x-amz-checksum-mode": "ENABLED"}).headers["x-amz-checksum-crc64nvme"]


@pytest.mark.parametrize("step", [1, 7, 50_000])
@pytest.mark.parametrize("size", [0, 1, 70_000])
def test_however_it_arrives(s3: S3, bucket: str, size: int, step: int) -> None:
    """Byte by byte or at once, with what looks like the beginning of a boundary in the file."""
    if size // step > 10_000:
        size = 3_000
    file = (b"\r\n--" + BOUNDARY.encode()[:-1] + b"\r\n-" * 20 + b"x" * size)[:size]

    assert post(s3, bucket, key_form(s3, bucket), file, step=step).status == 204
    assert s3.ask("GET", bucket + "/k").body == file


def test_a_large_file_is_a_stream(s3: S3, bucket: str) -> None:
    """It goes the way of any upload; what stands behind it is ignored, however it is called."""
    file = bytes(range(256)) * (3 * MIB // 256)
    form = encode_form(key_form(s3, bucket), file, "a")
    late = form.replace(f"--{BOUNDARY}--".encode(), encode_form([("key", "other"), ("file", "2")], None, None), 1)
    pieces = [late[at : at + 65536] for at in range(0, len(late), 65536)]
    answer = s3.ask("POST", bucket, headers={"content-type": FORM}, body=late, who=None, pieces=pieces)

    assert answer.status == 204
    assert s3.ask("GET", bucket + "/k").body == file
    assert s3.keys(bucket) == ["k"]


def test_a_version_has_its_id(s3: S3) -> None:
    """In a versioned bucket the answer tells it."""
    bucket = s3.bucket(versioning="Enabled")
    answer = post(s3, bucket, key_form(s3, bucket))

    assert s3.ask("GET", bucket + "/k", {"versionId": answer.headers["x-amz-version-id"]}).body == b"rye"


@pytest.mark.parametrize(("status", "expected"), [("200", 200), ("201", 201), ("204", 204), ("404", 204), ("", 204)])
def test_the_status_that_a_form_asks_for(s3: S3, bucket: str, status: str, expected: int) -> None:
    """200, 201 with a document, 204; anything else is 204."""
    fields = signed(s3, bucket, [{"key": "a/é"}, {"success_action_status": status}], {"key": "a/é"})
    answer = post(s3, bucket, {**fields, "success_action_status": status})

    assert answer.status == expected
    assert (answer.body == b"") == (expected != 201)
    if expected == 201:
        assert answer.xml.tag == "PostResponse"
        assert b"xmlns" not in answer.body
        texts = [answer.text(path) for path in ("Location", "Bucket", "Key", "ETag")]
        assert texts == [f"http://{HOST}{bucket}/a%2F%C3%A9", bucket[1:], "a/é", answer.etag]


@pytest.mark.parametrize("name", ["success_action_redirect", "redirect"])
@pytest.mark.parametrize("url", ["https://granary.example/done", "http://granary.example:8080/?a=b&c#d"])
def test_a_form_that_leads_on(s3: S3, bucket: str, name: str, url: str) -> None:
    """303 to the URL, which learns bucket, key and ETag."""
    fields = signed(s3, bucket, [{"key": "k&k"}, ["starts-with", f"${name}", "http"]], {"key": "k&k", name: url})
    answer = post(s3, bucket, fields)
    split = urlsplit(answer.headers["location"])

    assert (answer.status, answer.body) == (303, b"")
    assert answer.headers["location"].startswith(url.partition("#")[0])
    assert {k: v for k, v in parse_qs(split.query).items() if k not in {"a", "c"}} == {
        "bucket": [bucket[1:]],
        "key": ["k&k"],
        "etag": [answer.etag],
    }


@pytest.mark.parametrize(
    "url",
    [
        "/done",
        "javascript:alert(1)",
        "https://",
        "//granary.example",
        "https://a.example/\r\nSet-Cookie: a=b",
        "http://[a",
        "http://é",
    ],
)
def test_what_is_no_url_leads_nowhere(s3: S3, bucket: str, url: str) -> None:
    """As if the field were not there; never a header that a browser would read as two."""
    conditions = [{"key": "k"}, ["starts-with", "$success_action_redirect", ""]]
    answer = post(s3, bucket, signed(s3, bucket, conditions, {"key": "k", "success_action_redirect": url}))

    assert answer.status == 204
    assert "\r" not in answer.headers["location"]


# ---------------------------------------------------------------------------------------------------------- the file's name


@pytest.mark.parametrize(
    ("filename", "key"),
    [
        ("rye.txt", "in/rye.txt"),
        ("C:\\fields\\rye.txt", "in/rye.txt"),
        ("../../etc/passwd", "in/passwd"),
        ("a/b\\..", "in/.."),
        ("", "in/"),
        ("${filename}", "in/${filename}"),
        (None, "in/${filename}"),
        ("ячмень", "in/ячмень"),
    ],
)
def test_the_files_name_in_the_key(s3: S3, bucket: str, filename: str | None, key: str) -> None:
    """Only what follows its last slash or backslash, put in once; a form without the name leaves the variable as it is."""
    fields = signed(s3, bucket, [["starts-with", "$key", "in/"]], {"key": "in/${filename}"})

    assert post(s3, bucket, fields, filename=filename).status == 204
    assert s3.keys(bucket) == [key]


def test_the_policy_judges_the_key_that_is_used(s3: S3, bucket: str) -> None:
    """What the name of a file makes of a key must be allowed too."""
    fields = signed(s3, bucket, [["starts-with", "$key", "in/"]], {"key": "${filename}"})
    answer = post(s3, bucket, fields, filename="in/rye")

    assert refusal(answer) == denied('Policy Condition failed: ["starts-with", "$key", "in/"]')
    assert s3.keys(bucket) == []


# --------------------------------------------------------------------------------------------------------------- who sent it


def test_a_form_of_signature_version_2(s3: S3, bucket: str) -> None:
    """Also served; a wrong signature is refused with what was signed."""
    policy = policy_of(s3, [{"bucket": bucket[1:]}, {"key": "k"}])
    fields = {"key": "k", "AWSAccessKeyId": ROOT.access_key, "policy": policy}
    good = post(s3, bucket, {**fields, "signature": v2_signature(ROOT.secret, policy)})
    bad = post(s3, bucket, {**fields, "signature": v2_signature("other", policy)})

    assert good.status == 204
    assert bad.error == (403, "SignatureDoesNotMatch")
    assert bad.fields["StringToSign"] == policy
    door = s3.make_door(sigv2=False)
    body = encode_form({**fields, "signature": v2_signature(ROOT.secret, policy)}, b"x", "a")
    request = s3.request("POST", bucket, "", {"content-type": FORM}, body, None)
    assert s3.run(s3.answer(request, door)).error == (400, "InvalidRequest")


def test_forms_that_lack_a_field_of_their_signature(s3: S3, bucket: str) -> None:
    """The field is named as AWS names it; without any of them the form is anonymous."""
    fields = key_form(s3, bucket)
    for name, title in {
        "x-amz-signature": "X-Amz-Signature",
        "x-amz-algorithm": "X-Amz-Algorithm",
        "x-amz-credential": "X-Amz-Credential",
        "x-amz-date": "X-Amz-Date",
        "policy": "Policy",
    }.items():
        answer = post(s3, bucket, {key: value for key, value in fields.items() if key != name})
        assert refusal(answer) == (
            400,
            "InvalidArgument",
            f"Bucket POST must contain a field named '{title}'.  If it is specified, please check the order of the fields.",
        )
        assert answer.fields == {"ArgumentName": title, "ArgumentValue": ""}
    assert post(s3, bucket, {"key": "k", "signature": "x", "policy": "e30="}).fields["ArgumentName"] == "AWSAccessKeyId"
    assert post(s3, bucket, {"key": "k", "awsaccesskeyid": "x", "policy": "e30="}).fields["ArgumentName"] == "Signature"
    assert refusal(post(s3, bucket, {"key": "k", "policy": fields["policy"]})) == (403, "AccessDenied", "Access Denied")


@pytest.mark.parametrize(
    ("name", "value", "status", "code"),
    [
        ("x-amz-signature", "0" * 64, 403, "SignatureDoesNotMatch"),
        ("x-amz-signature", "é", 403, "SignatureDoesNotMatch"),
        ("x-amz-algorithm", "AWS4-HMAC-SHA1", 400, "InvalidArgument"),
        ("x-amz-credential", "nobody/20260101/us-east-1/s3/aws4_request", 400, "InvalidArgument"),
        ("x-amz-credential", "root-key", 400, "InvalidArgument"),
        ("x-amz-date", "yesterday", 400, "InvalidArgument"),
        ("x-amz-security-token", "token", 400, "InvalidToken"),
    ],
)
def test_signatures_that_are_none(s3: S3, bucket: str, name: str, value: str, status: int, code: str) -> None:
    """Each is refused before the policy is read."""
    assert post(s3, bucket, {**key_form(s3, bucket), name: value}).error == (status, code)
    assert s3.keys(bucket) == []


def test_a_policy_that_was_changed(s3: S3, bucket: str) -> None:
    """Its signature covers it as it stands there."""
    fields = key_form(s3, bucket)
    other = policy_of(s3, [["starts-with", "$key", ""]])

    for policy in (fields["policy"][:-2], other):
        answer = post(s3, bucket, {**fields, "policy": policy})
        assert answer.error == (403, "SignatureDoesNotMatch")
        assert (answer.fields["StringToSign"], answer.fields["SignatureProvided"]) == (policy, fields["x-amz-signature"])


def test_a_key_that_is_unknown_and_a_region_that_is_wrong(s3: S3, bucket: str) -> None:
    """As for a header; another region is named."""
    unknown = signed(s3, bucket, [{"key": "k"}], {"key": "k"}, Credentials("nobody", "x"))
    astray = signed(s3, bucket, [{"key": "k"}], {"key": "k"}, ROOT._replace(region="mars-1"))
    answer = post(s3, bucket, astray)

    assert post(s3, bucket, unknown).error == (403, "InvalidAccessKeyId")
    assert answer.text("Message") == "the region 'mars-1' is wrong; expecting 'us-east-1'"
    assert answer.fields["ArgumentName"] == "X-Amz-Credential"


def test_a_signer_may_only_do_what_they_may(s3: S3) -> None:
    """A form gives its bearer no more than its signer has; nobody's form needs a bucket that is open to all."""
    bucket = s3.bucket(ALICE)
    fields = signed(s3, bucket, [{"key": "k"}], {"key": "k"}, BOB)

    assert refusal(post(s3, bucket, fields)) == (403, "AccessDenied", "Access Denied")
    assert refusal(post(s3, bucket, {"key": "k"})) == (403, "AccessDenied", "Access Denied")
    assert post(s3, bucket, signed(s3, bucket, [{"key": "k"}], {"key": "k"}, ALICE)).status == 204


def test_a_page_may_send_a_form(s3: S3, bucket: str) -> None:
    """By script, where a rule of the bucket allows its origin: answer and refusal can be read."""
    allow = b"<CORSRule><AllowedOrigin>https://a.example</AllowedOrigin><AllowedMethod>POST</AllowedMethod></CORSRule>"
    s3.ask("PUT", bucket, "cors", body=b"<CORSConfiguration>" + allow + b"</CORSConfiguration>")
    for fields, status in ((key_form(s3, bucket), 204), ({"key": "k"}, 403)):
        headers = {"content-type": FORM, "origin": "https://a.example"}
        answer = s3.ask("POST", bucket, headers=headers, body=encode_form(fields, b"rye", "a"), who=None)
        assert (answer.status, answer.headers["access-control-allow-origin"]) == (status, "https://a.example")


def test_no_second_way_to_say_who(s3: S3, bucket: str) -> None:
    """A signed header or query beside a form is refused: its signature would not cover the form."""
    body = encode_form({"key": "k"}, b"x", "a")
    by_header = post(s3, bucket, {"key": "k"}, who=ROOT)
    by_query = s3.presigned("POST", bucket, headers={"content-type": FORM}, body=body)

    assert [by_header.error, by_query.error] == [(400, "InvalidRequest")] * 2


# --------------------------------------------------------------------------------------------------------------- the policy


def test_an_expired_policy(s3: S3, bucket: str) -> None:
    """403."""
    fields = signed(s3, bucket, [{"key": "k"}], {"key": "k"}, age_ms=61_000)

    assert refusal(post(s3, bucket, fields)) == denied("Policy expired.")


@pytest.mark.parametrize(
    ("condition", "shown"),
    [
        ({"acl": "public-read"}, '["eq", "$acl", "public-read"]'),
        (["eq", "$acl", "Private"], '["eq", "$acl", "Private"]'),
        (["eq", "acl", "private"], '["eq", "acl", "private"]'),
        (["starts-with", "$acl", "public"], '["starts-with", "$acl", "public"]'),
        (["starts-with", "$x-amz-meta-a", ""], '["starts-with", "$x-amz-meta-a", ""]'),
        (["content-length-range", "test", "10"], '["content-length-range", "test", "10"]'),
        ({"bucket": "other"}, '["eq", "$bucket", "other"]'),
        (["starts-with", "$Content-Type", "image/"], '["starts-with", "$Content-Type", "image/"]'),
    ],
)
def test_conditions_that_do_not_hold(s3: S3, bucket: str, condition: object, shown: str) -> None:
    """The refusal quotes the condition as the policy has it."""
    covered = [{"key": "k"}, {"acl": "private"}, ["starts-with", "$content-type", ""], condition]
    fields = signed(s3, bucket, covered, {"key": "k", "acl": "private", "Content-Type": "image/png,text/plain"})

    assert refusal(post(s3, bucket, fields)) == denied(f"Policy Condition failed: {shown}")


def test_names_have_no_case(s3: S3, bucket: str) -> None:
    """Of fields, of conditions and of operators; values have."""
    policy = policy_of(s3, [{"bUcKeT": bucket[1:]}, ["StArTs-WiTh", "$KeY", "k"], {"AcL": "private"}])
    signature = v2_signature(ROOT.secret, policy)
    fields = {"kEy": "k", "awsACCESSkeyid": ROOT.access_key, "aCl": "private", "SIGNATURE": signature, "pOLICy": policy}

    assert post(s3, bucket, fields).status == 204


def test_lists_of_content_types(s3: S3, bucket: str) -> None:
    """Each must begin so."""
    conditions = [{"key": "k"}, ["starts-with", "$Content-Type", "image/"]]

    assert post(s3, bucket, signed(s3, bucket, conditions, {"key": "k", "Content-Type": "image/a, image/b"})).status == 204


def test_fields_that_no_condition_covers(s3: S3, bucket: str) -> None:
    """Each must be covered, also the bucket; what is called x-ignore need not."""
    fields = key_form(s3, bucket)
    policy = policy_of(s3, [{"key": "k"}])
    nowhere = {"key": "k", "AWSAccessKeyId": ROOT.access_key, "policy": policy}

    assert post(s3, bucket, {**fields, "x-ignore-a": "1"}).status == 204
    assert refusal(post(s3, bucket, {**fields, "x-amz-meta-foo": "1"})) == denied("Extra input fields: x-amz-meta-foo")
    assert refusal(post(s3, bucket, {**nowhere, "signature": v2_signature(ROOT.secret, policy)})) == denied(
        "Extra input fields: bucket"
    )


def test_a_policy_for_another_bucket(s3: S3, bucket: str) -> None:
    """The bucket is the one that is written to, whatever a field of that name says."""
    other = s3.bucket()
    fields = signed(s3, bucket, [{"key": "k"}], {"key": "k", "bucket": bucket[1:]})

    assert refusal(post(s3, other, fields)) == denied(f'Policy Condition failed: ["eq", "$bucket", "{bucket[1:]}"]')


SIMPLE = "Invalid Simple-Condition: Simple-Conditions must have exactly one property specified."


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        ("", "Invalid JSON."),
        ("[]", "Invalid JSON."),
        ("{" * 100_00, "Invalid JSON."),
        ('{"conditions": []}', "Policy missing expiration."),
        ('{"EXPIRATION": "2030-01-01T00:00:00Z", "conditions": []}', "Unexpected: 'expiration'"),
        ('{"expiration": "2030-01-01T00:00:00Z", "CONDITIONS": []}', "Unexpected: 'conditions'"),
        ('{"expiration": "2030-01-01T00:00:00Z"}', "Policy missing conditions."),
        ('{"expiration": "2030-01-01 00:00:00", "conditions": []}', "Invalid 'expiration' value: '2030-01-01 00:00:00'"),
        ('{"expiration": "2030-01-01T00:00:00Z", "conditions": {}}', "Invalid 'conditions' value: must be a List."),
        ("[{}]", SIMPLE),
        ('[{"a": "b", "c": "d"}]', SIMPLE),
        ('[{"a": 1}]', "Invalid Simple-Condition: value must be a string."),
        ("[[]]", "Invalid Condition: missing operation identifier."),
        ('["eq"]', "Invalid condition test: must be a List or Object."),
        ('[["ends-with", "$key", "x"]]', "Invalid Condition: unknown operation 'ends-with'."),
        ('[["eq", "$key"]]', "Invalid eq: wrong number of arguments."),
        ('[["content-length-range", 0]]', "Invalid content-length-range: wrong number of arguments."),
        ('[["content-length-range", 0, 1.5]]', "Invalid JSON."),
        ('[["eq", "$key", 1]]', "Invalid JSON."),
    ],
)
def test_policies_that_are_none(s3: S3, bucket: str, policy: str, message: str) -> None:
    """400 with what is wrong."""
    if policy.startswith("[") and policy != "[]":
        policy = f'{{"expiration": "2030-01-01T00:00:00Z", "conditions": {policy}}}'
    encoded = b64encode(policy.encode()).decode()
    fields = {"key": "k", "policy": encoded or "=", **sign_form(ROOT, encoded or "=", now_ms=s3.now_ms())}
    expected = "invalid Base64 encoding." if not encoded else message

    assert refusal(post(s3, bucket, fields)) == (400, "InvalidPolicyDocument", f"Invalid Policy: {expected}")


def test_escapes_of_the_policy_language(s3: S3, bucket: str) -> None:
    r"""``\$`` is a dollar there, which no JSON has."""
    text = f'{{"expiration": "{dates.iso8601(s3.now_ms() + 60_000)}", "conditions": [{{"bucket": "{bucket[1:]}"}},'
    policy = b64encode((text + r'["eq", "$key", "\$\\$\u0061"]]}').encode()).decode()
    key = "$\\$a"
    fields = {"key": key, "AWSAccessKeyId": ROOT.access_key, "policy": policy, "signature": v2_signature(ROOT.secret, policy)}

    assert post(s3, bucket, fields).status == 204
    assert s3.keys(bucket) == [key]


@pytest.mark.parametrize("bounds", [[5, 10], ["5", "10"]])
@pytest.mark.parametrize("step", [1, None])
def test_how_long_the_file_may_be(s3: S3, bucket: str, bounds: list[object], step: int | None) -> None:
    """Both bounds belong to what is allowed; what is refused leaves nothing."""
    fields = key_form(s3, bucket, "k", ["content-length-range", *bounds])
    long = post(s3, bucket, fields, b"x" * 12, step=step)
    short = post(s3, bucket, fields, b"x" * 4, step=step)

    assert (long.error, long.fields["MaxSizeAllowed"]) == ((400, "EntityTooLarge"), "10")
    assert (short.error, short.fields) == ((400, "EntityTooSmall"), {"ProposedSize": "4", "MinSizeAllowed": "5"})
    assert s3.keys(bucket) == []
    assert [post(s3, bucket, fields, b"x" * size, step=step).status for size in (5, 10)] == [204, 204]


def test_a_large_file_that_is_too_long_leaves_nothing(s3: S3, bucket: str) -> None:
    """It is refused in the middle, and its bytes are gone."""
    before = s3.blob_files()
    fields = key_form(s3, bucket, "k", ["content-length-range", 0, 2 * MIB])
    answer = post(s3, bucket, fields, b"x" * (3 * MIB), step=65536)

    assert answer.error == (400, "EntityTooLarge")
    assert s3.keys(bucket) == []
    assert s3.blob_files() == before


# --------------------------------------------------------------------------------------------------------------- the body


def test_bodies_that_are_no_forms(s3: S3, bucket: str) -> None:
    """Another type is 412, a form that cannot be read 400."""

    def ask(kind: str | None, body: bytes = b"") -> Answer:
        return s3.ask("POST", bucket, headers={"content-type": kind} if kind else {}, body=body, who=None)

    for kind in (None, "application/x-www-form-urlencoded", "multipart/mixed; boundary=b"):
        answer = ask(kind)
        assert answer.error == (412, "PreconditionFailed")
        assert answer.fields == {"Condition": "Bucket POST must be of the enclosure-type multipart/form-data"}
    whole = encode_form({"key": "k"}, b"rye", "a")
    for kind, body in [
        ("multipart/form-data", whole),
        ("multipart/form-data; boundary=" + "b" * 300, whole),
        ("multipart/form-data; boundary=other", whole),
        (FORM, b""),
        (FORM, whole[:-30]),
        (FORM, whole.replace(b"form-data", b"attachment")),
        (FORM, whole.replace(b"name=", b"nome=")),
        (FORM, whole.replace(b"k\r\n", b"\xff\r\n", 1)),
    ]:
        assert ask(kind, body).error in {(400, "MalformedPOSTRequest"), (403, "AccessDenied")}, body
    assert s3.keys(bucket) == []


def test_a_form_that_is_cut_short(s3: S3, bucket: str) -> None:
    """Its file is not stored, also where the cut is in the last boundary."""
    body = encode_form(key_form(s3, bucket), b"rye" * 30_000, "a")
    for cut in (len(body) // 2, len(body) - 8):
        answer = s3.ask("POST", bucket, headers={"content-type": FORM}, body=body[:cut], who=None)
        assert answer.error == (400, "MalformedPOSTRequest")
    assert s3.keys(bucket) == []


def test_forms_without_a_file_or_a_key(s3: S3, bucket: str) -> None:
    """A key behind the file is none."""
    fields = key_form(s3, bucket)
    key = fields.pop("key")
    no_file = post(s3, bucket, {**fields, "key": key}, None)
    no_key = post(s3, bucket, fields)

    assert refusal(no_file) == (400, "InvalidArgument", "POST requires exactly one file upload per request.")
    assert no_file.fields == {"ArgumentName": "file", "ArgumentValue": "0"}
    assert no_key.fields == {"ArgumentName": "key", "ArgumentValue": ""}


def test_fields_that_are_too_large(s3: S3, bucket: str) -> None:
    """20 KiB before the file, whatever they consist of."""
    for fields in ({"key": "k", "x-ignore-a": "x" * 20480}, {f"x-ignore-{n}": "" for n in range(400)}):
        answer = post(s3, bucket, fields)
        assert answer.error == (400, "MaxPostPreDataLengthExceeded")
        assert answer.fields == {"MaxPostPreDataLengthBytes": "20480"}
    endless = s3.ask("POST", bucket, headers={"content-type": FORM}, body=b"\r\n" * 40_000, who=None)
    assert endless.status == 400


def test_no_field_comes_twice(s3: S3, bucket: str) -> None:
    """Which of the two would the policy have meant?"""
    fields = list(key_form(s3, bucket).items())

    for twice in [("key", "other"), ("KEY", "other"), ("Policy", "")]:
        answer = post(s3, bucket, [*fields, twice])
        assert answer.fields["ArgumentName"] == twice[0].lower()
        assert answer.error == (400, "InvalidArgument")
    assert s3.keys(bucket) == []


def test_text_beyond_ascii(s3: S3, bucket: str) -> None:
    """Metadata is any text, and no word in it is decoded; of system headers only ISO 8859-1 is left (recorded of AWS)."""
    metadata = {
        "accents": ("ÄMÄZÕÑ S3", "=?UTF-8?Q?=C3=84M=C3=84Z=C3=95=C3=91_S3?="),
        "bytes": ("\0\1\2\3\4", "=?UTF-8?B?AAECAwQ=?="),
        "breaks": ("a\r\nSet-Cookie: b", "=?UTF-8?Q?a=0D=0ASet-Cookie:_b?="),
        "q": ("=?UTF-8?Q?actually-ascii?=", "=?UTF-8?Q?actually-ascii?="),
        "b": ("=?UTF-8?B?YWJj?=", "=?UTF-8?B?YWJj?="),
        "plain": ('! "#~\t\\', '! "#~\t\\'),
        "none": ("", ""),
    }
    fields = {f"x-amz-meta-{name}": sent for name, (sent, _) in metadata.items()}
    assert post(s3, bucket, key_form(s3, bucket, "k", **fields, **{"Cache-Control": "a-%E2%80%94_—_é_"})).status == 204
    head = s3.ask("HEAD", bucket + "/k").headers

    assert {name: head[f"x-amz-meta-{name}"] for name in metadata} == {name: shown for name, (_, shown) in metadata.items()}
    assert head["cache-control"] == "a-%E2%80%94_ _é_"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Content-Type", "text/plain\r\nSet-Cookie: a=b"),
        ("x-amz-meta-a: b\r\nSet-Cookie", "c"),
        ("x-amz-meta-é", "c"),
        ("x-amz-website-redirect-location", "/a\r\nb"),
    ],
)
def test_no_line_breaks_in_headers(s3: S3, bucket: str, name: str, value: str) -> None:
    """A field that would break the headers of a later answer is refused, though its policy allows it."""
    fields = signed(s3, bucket, [{"key": "k"}, ["starts-with", f"${name}", ""]], {"key": "k"})
    body = encode_form(fields, b"x", "a")
    part = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
    answer = s3.ask("POST", bucket, headers={"content-type": FORM}, body=part.encode() + body, who=None)

    assert answer.status == 400
    assert s3.keys(bucket) == []


def test_checksums_of_forms(s3: S3, bucket: str) -> None:
    """A checksum field is held against the file."""
    right = b64encode(zlib.crc32(b"rye").to_bytes(4)).decode()
    good = post(s3, bucket, key_form(s3, bucket, "k", **{"x-amz-checksum-crc32": right}))
    bad = post(s3, bucket, key_form(s3, bucket, "other", **{"x-amz-checksum-crc32": "AAAAAA=="}))

    assert good.status == 204
    assert bad.error == (400, "BadDigest")
    assert s3.keys(bucket) == ["k"]
