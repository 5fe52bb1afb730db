"""The tables: made once, kept, and made anew when they are of another version or were dropped."""

import psycopg
from tests.services.workshop.conftest import Make, Server

from labdriver.stack.local.postgres import wipe
from labsvc.workshop import schema


def test_tables_are_kept_by_a_second_start(make: Make) -> None:
    """Making them again changes nothing."""
    code = make().start().code
    again = make()
    assert again.run(again.workshop.hour.status()).session.code == code


def test_tables_of_another_version_are_made_anew(make: Make, postgres: Server) -> None:
    """An older kit's tables do not break a newer one."""
    make().start()
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute("COMMENT ON TABLE workshop_sessions IS '0'")
        connection.execute("ALTER TABLE workshop_runs DROP COLUMN score")
    again = make()
    assert again.run(again.workshop.hour.status()).session is None
    assert again.start().state == "running"


def test_wiped_tables_are_found_again(make: Make, postgres: Server) -> None:
    """`make reset` empties every table under our feet: the workshop goes on, and a restart after it loses nothing."""
    made = make()
    made.start()
    made.join("Ann")
    wipe(postgres.url)
    made.beat()
    assert made.run(made.workshop.hour.status()).session is None
    code = made.start().code
    again = make()
    assert again.run(again.workshop.hour.status()).session.code == code


def test_version_is_written_where_it_is_read() -> None:
    """The comment in the tables' text is the version."""
    assert f"IS '{schema.VERSION}'" in schema.TABLES
