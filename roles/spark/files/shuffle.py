# SPDX-License-Identifier: GPL-3.0-or-later
"""A job with a shuffle whose result is known beforehand. usage: shuffle.py RECORDS"""

import json
import sys
import time

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

KEYS = 1000


def main():
    records = int(sys.argv[1]) // KEYS * KEYS
    session = SparkSession.builder.appName("baremetal-bigdata-verify").getOrCreate()
    start = time.monotonic()
    # No aggregation before the exchange: every record goes over the network, or to another process.
    exchanged = session.range(records, numPartitions=4).withColumn("key", F.col("id") % KEYS).repartition(4, "key")
    groups = exchanged.groupBy("key").agg(F.count("id").alias("count"), F.sum("id").alias("sum"))
    found = groups.agg(F.count("key"), F.min("count"), F.max("count"), F.sum("sum")).first()
    seconds = round(time.monotonic() - start, 1)
    expected = (KEYS, records // KEYS, records // KEYS, records * (records - 1) // 2)
    # The driver is in the list, too.
    infos = session.sparkContext._jsc.sc().statusTracker().getExecutorInfos()
    result = {
        "records": records,
        "keys": found[0],
        "sum": found[3],
        "executors": len(infos) - 1,
        "hosts": len({info.host() for info in infos}) - 1,
        "shuffle_seconds": seconds,
    }
    print("figures " + json.dumps(result), flush=True)
    session.stop()
    if tuple(found) != expected:
        sys.exit(f"expected keys, least, most and sum {expected}, found {tuple(found)}")


if __name__ == "__main__":
    main()
