"""Reads a case in JSON from each line of standard input; prints `ok` or the reason, `code[:field]`."""

import base64
import json
import sys

from verify import Refused, verify_connection, verify_enrollment

VERIFY = {"connection": verify_connection, "enrollment": verify_enrollment}

for line in sys.stdin.buffer:
    case = json.loads(line)
    signed_payload, signature_der, spki_der = (
        base64.b64decode(case[name], validate=True)
        for name in ("signedPayloadBase64", "signatureDerBase64", "publicKeySpkiDerBase64")
    )
    verify = VERIFY[case["statement"]]
    try:
        verify(signed_payload, signature_der, spki_der, case["expected"], case["now"])
        print("ok")
    except Refused as refused:
        print(refused)
