"""Takes a token with azure-identity's ManagedIdentityCredential.

    identity.py [PATH [INTERVAL_MS COUNT]]
"""

import os
import sys
import time

from azure.identity import ManagedIdentityCredential


def publish(path: str, token: str) -> None:
    temporary = path + ".tmp"
    with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(token)
    os.rename(temporary, path)


def main() -> None:
    interval_s, count = 0.0, 1
    if len(sys.argv) > 3:
        interval_s, count = int(sys.argv[2]) / 1000, int(sys.argv[3])
    credential = ManagedIdentityCredential()
    turn = 0
    while True:
        token = credential.get_token("https://python.example/.default").token
        if len(sys.argv) > 1:
            publish(sys.argv[1], token)
        else:
            sys.stdout.write(token)
        turn += 1
        if turn == count:
            return
        time.sleep(interval_s)


main()
