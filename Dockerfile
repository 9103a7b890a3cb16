FROM python:3.13-slim AS build
WORKDIR /src
COPY requirements.lock ./
RUN python -m venv /opt/tidegate && /opt/tidegate/bin/pip install --no-cache-dir --require-hashes -r requirements.lock
COPY . .
RUN /opt/tidegate/bin/pip install --no-cache-dir --no-deps --no-build-isolation .

FROM python:3.13-slim
RUN useradd --system --create-home --home-dir /var/lib/tidegate tidegate
COPY --from=build /opt/tidegate /opt/tidegate
ENV PATH=/opt/tidegate/bin:$PATH PYTHONUNBUFFERED=1 TIDEGATE_DATA_DIR=/var/lib/tidegate/data TIDEGATE_LOG_FORMAT=json
USER tidegate
WORKDIR /var/lib/tidegate
EXPOSE 8787
ENTRYPOINT ["tidegate"]
CMD ["serve"]
