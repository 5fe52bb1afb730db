"""The shop of the live business: its orders in Postgres, and maintenance, while which the api turns everybody away.

    server ──▶ Shop.before(labs) ──▶ maintenance? 503 ──▶ /shop/… ──▶ orders.py ──▶ the labs' own pool of ten
                                          │                └──▶ else the labs
                                          └── maintenance.py: looks over a connection outside the pool

Knows no lab and no world. The generator writes here over HTTP; the labs meet the world at the pool.
"""
