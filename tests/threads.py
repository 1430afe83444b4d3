"""Threads that start at once."""

import threading

from django.db import connections

THREADS = 8


def together(work, threads=THREADS):
    """Run the work in threads that start at once, and raise what they raised."""
    barrier = threading.Barrier(threads)
    errors = []

    def run(number):
        try:
            barrier.wait()
            work(number)
        except Exception as error:  # noqa: BLE001 - raised again below
            errors.append(error)
        finally:
            connections.close_all()

    workers = [threading.Thread(target=run, args=(n,)) for n in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if errors:
        raise errors[0]
