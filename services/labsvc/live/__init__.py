"""The generator's host: hub and WebSocket, REST, pages, and the world that runs behind them."""
