# The command line, the page and the MCP server, with hearing and meaning inside and no other download.
FROM python:3.11-slim
WORKDIR /app
COPY . .
RUN pip install --no-cache-dir -c constraints.txt '.[offline,mcp,sqlite,serve,ray]'
# What is kept, and what is asked about, come from outside.
ENV VIDEOCHAT_HOME=/data
RUN useradd --create-home --uid 1000 person && install -d -o person /data /videos
USER person
VOLUME ["/data"]
WORKDIR /videos
ENTRYPOINT ["videochat"]
CMD ["--help"]
