"""`videochat serve`: a page on which an answer plays, and an endpoint of the OpenAI protocol, on one small server.

`videos` keeps what is served, `app` puts the routes together, `api` answers the page, `openai_api` the clients of the
protocol, `safety` says who may ask. The page itself is plain HTML, CSS and JavaScript in `page/`.
"""
