"""The two calls of a Kubernetes API server to its KMS plugin: SOCKET FILE encrypt TEXT, and SOCKET FILE decrypt."""

import json
import sys

import grpc

from k8s import V2, connect


def call(channel, method, **members):
    request, response = V2[f"{method}Request"], V2[f"{method}Response"]
    ask = channel.unary_unary(
        f"/v2.KeyManagementService/{method}",
        request_serializer=request.SerializeToString,
        response_deserializer=response.FromString,
    )
    return ask(request(**members), timeout=5)


socket, file, action, *text = sys.argv[1:]
try:
    with connect(socket) as channel:
        if action == "encrypt":
            made = call(channel, "Encrypt", plaintext=text[0].encode(), uid="demo")
            annotations = {name: value.hex() for name, value in made.annotations.items()}
            stored = {"seed": made.ciphertext.hex(), "key_id": made.key_id, "annotations": annotations}
            with open(file, "w") as output:
                json.dump(stored, output)
        else:
            with open(file) as stored:
                kept = json.load(stored)
            annotations = {name: bytes.fromhex(value) for name, value in kept["annotations"].items()}
            found = call(
                channel, "Decrypt", ciphertext=bytes.fromhex(kept["seed"]), uid="demo", key_id=kept["key_id"],
                annotations=annotations,
            )
            sys.stdout.write(found.plaintext.decode())
except grpc.RpcError as error:
    sys.exit(f"{error.code().name}: {error.details()}")
