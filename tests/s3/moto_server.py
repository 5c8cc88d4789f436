"""A bucket `shop` of moto, which checks who asks, and who is who, as lines of JSON.

moto computes each signature with botocore, Amazon's own library for Python, and asks the policies of the key. As it comes it takes the
path for that from its web framework, which has decoded parts of it by then, so that it refuses even botocore's own requests for keys
such as `a+b`. Here it is given the path of the request line. Region, date and the hash of a body it does not check.

The first line written says where it listens and which keys there are. For each line read, what the bucket holds is written: keys and
objects in hex. At the end of the input it ends.
"""

import json
import logging
import sys
from urllib.parse import urlsplit

import boto3
import flask
import moto.iam.access_control as access
from moto import settings
from moto.moto_server.threaded_moto_server import ThreadedMotoServer
from moto.s3.models import s3_backends

logging.getLogger("werkzeug").setLevel(logging.ERROR)


class AsItCame(access.S3IAMRequest):
    def __init__(self, path, **rest):
        line = urlsplit("http://server" + flask.request.environ["RAW_URI"])
        super().__init__(path=line.path + ("?" + line.query if line.query else ""), **rest)


access.S3IAMRequest = AsItCame

server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
anyone = dict(
    endpoint_url=f"http://{host}:{port}",
    region_name="eu-west-1",
    aws_access_key_id="anyone",
    aws_secret_access_key="anyone",
)
iam, sts, s3 = (boto3.client(name, **anyone) for name in ("iam", "sts", "s3"))
s3.create_bucket(Bucket="shop", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})


def policy(**statement):
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement}]})


def user(name, **statement):
    iam.create_user(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=policy(**statement))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return {"id": key["AccessKeyId"], "secret": key["SecretAccessKey"]}


def lent():
    role = iam.create_role(RoleName="lent", AssumeRolePolicyDocument=policy(Principal="*", Action="sts:AssumeRole"))
    iam.put_role_policy(RoleName="lent", PolicyName="p", PolicyDocument=policy(Action="s3:*", Resource="*"))
    key = sts.assume_role(RoleArn=role["Role"]["Arn"], RoleSessionName="edge")["Credentials"]
    return {"id": key["AccessKeyId"], "secret": key["SecretAccessKey"], "token": key["SessionToken"]}


keys = {
    "all": user("all", Action="s3:*", Resource="*"),
    "reads": user("reads", Action="s3:GetObject", Resource="arn:aws:s3:::shop/public/*"),
    "lent": lent(),
}
settings.INITIAL_NO_AUTH_ACTION_COUNT = 0
print(json.dumps({"address": f"{host}:{port}", "keys": keys}), flush=True)
for _ in sys.stdin:
    bucket = s3_backends["123456789012"]["aws"].buckets["shop"]
    held = {key: bucket.keys[key].value.hex() for key in bucket.keys}
    print(json.dumps(held), flush=True)
server.stop()
