"""The HTTP door: parses requests into commands and reads, renders answers and refusals.

app         create_app: routers, handlers, the mounted agents' door
envelope    around every request: its id, size limits, HEAD, the last resort for failures
pressure    no more requests in hand than are served in fair time; connections: no more than fit, none silent
route       admits a request: key, grant, parameters, body; then FastAPI takes over
body        reads a bounded body; strict_json parses it
caller      who asks, as the endpoints receive it
problems    kinds of refusal to statuses, RFC 9457 documents
schemas     what may be sent, with the terms of a schedule in terms, orders to reach people in orders, keys and
            limits in limits; examples of it
answers     and rows, failure_rows, schedule_answers: what is sent back; guide_answers: to whoever writes a workflow
openapi     the document; docs: the same as a page
uploads     a stream of any size into a temporary file
health      live and ready; metrics, with a token of their own

One router for each resource: workflows, schedules, batch_jobs, runs, people, consent, cohorts, keys, project; history
has two. confirmations: what waits for a human, with its rows in confirmation_rows; simulation_rows: what a simulation
gives.
"""
