"""Exchanges a code so many times, so many at once, and prints wall and processor time for each in nanoseconds."""

import asyncio
import json
import resource
import sys
import time

from httpx_oauth.oauth2 import OAuth2


def processor_time() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def main(url: str, count: int, at_once: int) -> None:
    client = OAuth2(
        "benchmark-client.apps.example",
        "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",
        "https://as.example/authorize",
        url,
        token_endpoint_auth_method="client_secret_post",
    )

    async def exchange() -> None:
        token = await client.get_access_token(
            "4/0AeaYSHBz1pQ6wX3cV8nM2kL5jH7gF9dS",
            "https://app.example.com/auth/callback",
            "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
        )
        assert len(token["access_token"]) == 60

    async def some(number: int) -> None:
        for _ in range(number):
            await exchange()

    await some(5)
    each = max(count // at_once, 1)
    processor, wall = processor_time(), time.perf_counter()
    await asyncio.gather(*(some(each) for _ in range(at_once)))
    done = each * at_once
    wall, processor = time.perf_counter() - wall, processor_time() - processor
    print(json.dumps([wall * 1e9 / done, processor * 1e9 / done]))


asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
